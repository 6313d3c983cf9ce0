/* takeover.pml: a lane passes from a dead simulator to its successor, and no late store spoils it.
 *
 * One learner, one lane, two simulators, of which one may be killed anywhere; each may stop
 * anywhere for as long as it likes, which is what an interleaving is. A lock is free only after the
 * address space is gone. Memory is sequentially consistent here.
 * The code: settle(), say_ready(), leave_lane() of csrc/core/attach.c,
 * take_command() of csrc/core/simulator.c, take_result() and look_for_simulators() of
 * csrc/learner/learner.cpp, mask_missing(), look_for_returns() and adopt() of
 * csrc/learner/masked.cpp, free_for() of csrc/learner/commands.cpp. */

#define SIMULATORS 2
#define COMMANDS 4 /* that the learner sends in all */
#define SLOTS 3
#define CAPACITY 4
#define NOBODY 0
#define CLOSE 0 /* the sequence of a command to leave */

/* The lane. */
byte lock; /* who holds it */
mtype = { EMPTY, BINDING, READY, DETACHED };
mtype state = EMPTY;
byte generation, command_index, result_index, commands_read;
typedef Command { byte sequence, generation, slot };
typedef Result { byte sequence, generation };
Command commands[CAPACITY];
Result results[CAPACITY];

/* Two rows of each slot: the sequence of the command that they answer. */
typedef Slot { byte row[2] };
Slot slots[SLOTS];

/* What must hold, and nobody may look at. */
byte owner;             /* who took the lane last */
byte viewed = SLOTS;    /* the slot that somebody looks at */
bool killed[SIMULATORS + 1];
bool closed;

/* Stores into the rows: by the owner alone, and never where somebody looks. */
inline write_row(index)
{
    assert(me == owner);
    assert(slot != viewed);
    slots[slot].row[index] = sequence
}

inline take_lane()
{
    if
#ifdef MUTANT_HEARTBEAT /* silent for long enough must be dead */
    :: atomic { lock != NOBODY && command_index != result_index -> lock = me; owner = me }
#endif
    :: atomic { lock == NOBODY && !closed -> lock = me; owner = me }
    :: closed -> goto left
    fi
}

inline publish_generation()
{
    own = generation + 1;
    generation = own /* [G] */
}

inline become_ready()
{
    state = BINDING;
#ifdef MUTANT_READY_FIRST
    state = READY;
    publish_generation();
#endif
    read_index = command_index;
    commands_read = read_index;
    write_index = result_index;
#ifndef MUTANT_READY_FIRST
    state = READY;
    publish_generation()
#endif
}

#ifdef MUTANT_ANY_GENERATION
#define MINE true
#else
#define MINE (commands[read_index % CAPACITY].generation == own)
#endif

inline answer()
{
    write_row(0);
    write_row(1);
    atomic {
        results[write_index % CAPACITY].sequence = sequence;
        results[write_index % CAPACITY].generation = own
    }
    write_index++;
    result_index = write_index;
    sequence = 0;
    slot = 0
}

proctype simulator(byte me)
{
    byte read_index, write_index, own, sequence, slot;
    bool close;
    {
        take_lane();
        become_ready();
        do
        :: atomic { command_index != read_index ->
            assert(command_index - read_index <= CAPACITY);
            if
            :: MINE ->
                sequence = commands[read_index % CAPACITY].sequence;
                slot = commands[read_index % CAPACITY].slot
            :: else
            fi;
            close = commands[read_index % CAPACITY].sequence == CLOSE && MINE;
            read_index++;
            commands_read = read_index }
            if
            :: sequence != 0 -> answer()
            :: close -> break
            :: else
            fi
        :: atomic { command_index == read_index && closed -> break }
        od;
        state = DETACHED;
left:   skip
    } unless { killed[me] }
#ifdef MUTANT_LOCK_FREED_FIRST /* a kernel that frees the lock before the memory is gone */
    atomic {
        if
        :: lock == me -> lock = NOBODY
        :: else
        fi
    }
    if
    :: sequence != 0 -> write_row(0)
    :: else
    fi
#else
    atomic {
        if
        :: lock == me -> lock = NOBODY
        :: else
        fi
    }
#endif
}


#include "takeover_learner.pml"
