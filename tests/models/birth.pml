/* birth.pml: learners race for one name over a dead one's segment, and any of them may be killed.
 *
 * Two learners and a cleaner; each learner's segment is an inode of its own, made nameless; a third
 * one may be there already, and its learner dead. WITH_THIRD_LEARNER: that learner lives, and races
 * too, and nobody cleans.
 * Each system call is one step, and each process may be killed before any step: the kernel then
 * frees its locks, and an inode without a name is gone.
 * The code: uerl_segment_create(), publish_name(), replace_dead(), take_over_dead(),
 * uerl_segment_clean() of csrc/core/birth.c, uerl_segment_unlink() of csrc/core/segment.c,
 * Learner::close() of csrc/learner/learner.cpp. */

#ifdef MUTANT_UNLINK_THEN_CREATE
#define MUTANT_NO_TAKEOVER_BYTE
#endif
#define LEARNERS 3
#define CLEANERS 1
#define PROCESSES (LEARNERS + CLEANERS)
#define NOBODY 0 /* processes and inodes count from 1; learner i makes inode i */
#define NOTHING 0
#define KILLS 2
#define ATTEMPTS 3 /* the code tries 100 times */

/* The directory: what is called what. */
byte name;
byte temporary[LEARNERS + 1]; /* .uerl-<run id> of each learner */

/* The inodes. */
bool complete[LEARNERS + 1]; /* contents are there, magic last */
byte owner_lock[LEARNERS + 1];
byte takeover_lock[LEARNERS + 1];

bool killed[PROCESSES + 1];
bool owns[LEARNERS + 1]; /* the name is its own: from linkat() or rename() to close() */

/* A living owner's name is its own: so there is one such owner at most. */
#define NAMES_HOLD \
    ((!owns[1] || killed[1] || name == 1) && (!owns[2] || killed[2] || name == 2) && \
     (!owns[3] || killed[3] || name == 3))

/* Gives inode `me` a name: whoever opens it must find it whole, and its owner alive. */
inline link_to(entry)
{
    assert(complete[me] && owner_lock[me] == me);
    entry = me
}

/* The kernel, when a process is gone; the order of its files is nobody's business. */
inline free_locks()
{
    if
    :: true ->
        let_go();
        free_owner_lock()
    :: true ->
        free_owner_lock();
        let_go()
    fi
}

inline free_owner_lock()
{
    if
    :: me <= LEARNERS -> owner_lock[me] = NOBODY
    :: else
    fi
}

/* take_over_dead(): `old` is the inode whose takeover byte is held, or NOTHING; `again` when the
 * name went away meanwhile. */
inline take_over_dead(entry)
{
    again = false;
    old = entry; /* open() */
    if
    :: old == NOTHING -> again = true
    :: else ->
        assert(complete[old]); /* the magic is read */
        if
#ifndef MUTANT_NO_PROBE
        :: owner_lock[old] != NOBODY -> old = NOTHING
#endif
        :: else ->
#ifndef MUTANT_NO_TAKEOVER_BYTE
            if
            :: atomic { takeover_lock[old] != NOBODY -> old = NOTHING }
            :: atomic { takeover_lock[old] == NOBODY -> takeover_lock[old] = me }
            fi;
#endif
            if
#ifndef MUTANT_NAME_NOT_CHECKED
            :: old != NOTHING && entry != old ->
                again = true;
                let_go()
#endif
            :: else
            fi
        fi
    fi
}

inline let_go()
{
    atomic {
        if
        :: takeover_lock[old] == me -> takeover_lock[old] = NOBODY
        :: else
        fi;
        old = NOTHING
    }
}

inline take_place()
{
#ifdef MUTANT_UNLINK_THEN_CREATE
    name = NOTHING;
    atomic {
        if
        :: name == NOTHING -> link_to(name); owns[me] = true
        :: else
        fi
    }
#else
    atomic { link_to(temporary[me]) }
    atomic { /* rename() */
        assert(temporary[me] == me);
        name = temporary[me];
        temporary[me] = NOTHING;
        owns[me] = true
    }
#endif
}

/* publish_name() */
inline publish_name()
{
    do
    :: attempt < ATTEMPTS && !owns[me] ->
        attempt++;
        if
        :: atomic { name == NOTHING -> link_to(name); owns[me] = true }
        :: atomic { name != NOTHING -> again = false }
            take_over_dead(name);
            if
            :: old != NOTHING -> take_place(); let_go()
            :: old == NOTHING && again
            :: old == NOTHING && !again -> break
            fi
        fi
    :: else -> break
    od
}

inline close()
{
#ifdef MUTANT_UNLOCKED_FIRST
    owner_lock[me] = NOBODY;
#endif
    owns[me] = false;
    if
    :: atomic { name == me -> skip } /* lstat() */
        name = NOTHING /* unlink() */
    :: atomic { name != me -> skip }
    fi
}

proctype learner(byte me)
{
    byte old, attempt;
    bool again;
    {
#ifdef MUTANT_NAMED_TOO_EARLY /* open(O_CREAT), and then the contents */
        atomic {
            if
            :: name == NOTHING -> name = me
            :: else
            fi
        }
#endif
        complete[me] = true;
        owner_lock[me] = me;
        publish_name();
        if
        :: owns[me] -> close()
        :: else
        fi
    } unless { killed[me] }
    free_locks()
}

/* `uerl-shm clean` of the name, or of what a killed learner left half-way to it. */
proctype cleaner(byte me)
{
    byte old;
    bool again;
    {
        if
        :: take_over_dead(name);
            if
            :: old != NOTHING -> name = NOTHING
            :: else
            fi
        :: take_over_dead(temporary[1]);
            if
            :: old != NOTHING -> temporary[1] = NOTHING
            :: else
            fi
        fi
    } unless { killed[me] }
    free_locks()
}

active proctype killer()
{
    byte victim, num_killed;
    do
    :: num_killed < KILLS ->
        atomic {
            select(victim : 1 .. PROCESSES);
            killed[victim] = true;
            victim = 0;
            num_killed++
        }
    :: break
    od
}

active proctype watcher()
{
end:
    atomic { !NAMES_HOLD -> assert(NAMES_HOLD) }
}

init {
    atomic {
        run learner(2);
        run learner(3);
#ifdef WITH_THIRD_LEARNER
        run learner(1)
#else
        run cleaner(4);
        complete[1] = true;
        if
        :: name = 1
        :: temporary[1] = 1
        :: true
        fi
#endif
    }
}
