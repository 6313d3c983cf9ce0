/* handshake_learner.pml: the learner of handshake.pml, and what happens to both sides. */

/* poll(): takes in the results of a lane until its last command is answered. */
inline poll(lane)
{
    atomic {
        do
        :: outstanding[lane] > 0 && memory[RESULT_INDEX(lane)] != read_index[lane] ->
            /* What the index counts is there, and in order. */
            assert(memory[RESULT_ENTRY(lane, read_index[lane])] == read_index[lane] + 1);
            read_index[lane]++;
            if
            :: outstanding[lane] == 2 && read_index[lane] == sequence[lane] - 1 ->
                outstanding[lane] = 1
            :: else ->
                assert(read_index[lane] == sequence[lane]);
                outstanding[lane] = 0;
                ready[lane] = true
            fi
        :: else -> break
        od
    }
}

#define NUM_READY (ready[0] + ready[1])
#define NUM_PENDING (NUM_READY + (outstanding[0] > 0) + (outstanding[1] > 0))

inline look_at_rings()
{
    poll(0);
    poll(1)
}

/* publish(): the entry, then the index that counts it. */
inline command(lane)
{
    outstanding[lane]++;
    STORE(LEARNER, COMMAND_ENTRY(lane, sequence[lane]), sequence[lane] + 1);
    STORE(LEARNER, COMMAND_INDEX(lane), sequence[lane] + 1);
    sequence[lane]++;
    slices_of_command[lane] = 0;
    commanded[lane] = true
}

inline broadcast()
{
    atomic { epoch++; STORE(LEARNER, COMMAND_EPOCH, epoch) }
    SEQ_CST_FENCE(LEARNER); /* [L] */
    atomic {
        if
        :: memory[NUM_WAITING] != 0 ->
            asleep[0] = asleep[0] && !commanded[0];
            asleep[1] = asleep[1] && !commanded[1]
        :: else
        fi;
        commanded[0] = false;
        commanded[1] = false
    }
}

/* Is what is waited for in the rings, looked at or not? */
#define ANSWERED(lane) (outstanding[lane] > 0 && memory[RESULT_INDEX(lane)] == sequence[lane])
#define ENOUGH_THERE (NUM_READY + ANSWERED(0) + ANSWERED(1) >= need)
#define LOST(lane) (outstanding[lane] > 0 && dead[lane])

inline sleep_slice()
{
#ifndef MUTANT_COUNT_AFTER_LOOK /* what [Q] forbids where loads overtake */
    count = memory[FINISHED_COUNT];
#endif
    look_at_rings();
#ifdef MUTANT_COUNT_AFTER_LOOK
    count = memory[FINISHED_COUNT];
#endif
    if
    :: NUM_READY < need ->
        atomic {
            STORE(LEARNER, WAKE_AT, WRAPPED(count + need - NUM_READY));
            STORE(LEARNER, SLEEPING, 1)
        }
        SEQ_CST_FENCE(LEARNER); /* [Q] */
#ifndef MUTANT_COUNT_AFTER_LOOK
        look_at_rings();
#endif
        if
        :: NUM_READY < need ->
            atomic { FENCE(LEARNER) -> asleep[LEARNER] = memory[FINISHED_COUNT] == count }
            if
            :: !asleep[LEARNER]
#ifdef SLICES_END
            :: atomic { timeout && asleep[LEARNER] && ENOUGH_THERE ->
                num_slices++; asleep[LEARNER] = false }
            :: atomic { timeout && asleep[LEARNER] && !ENOUGH_THERE && (LOST(0) || LOST(1)) ->
                asleep[LEARNER] = false }
#endif
            fi
        :: else
        fi;
        STORE(LEARNER, SLEEPING, 0)
    :: else
    fi;
    count = 0
}

/* check_failures(): a lane without a lock has nothing to come but what stands in its ring. */
inline check_failure(lane)
{
    if
    :: atomic { LOST(lane) -> skip }
#ifndef MUTANT_NO_LAST_LOOK
        poll(lane);
#endif
        atomic {
            if
            :: outstanding[lane] > 0 ->
                assert(memory[RESULT_INDEX(lane)] != sequence[lane]); /* committed, not lost */
                outstanding[lane] = 0;
                gone[lane] = true
            :: else
            fi
        }
    :: atomic { !LOST(lane) -> skip }
    fi
}

/* Waits until `need` lanes are ready, or a simulator is lost. */
inline wait_for_results()
{
    do
    :: NUM_READY >= need || gone[0] || gone[1] -> break
    :: else ->
#ifdef MUTANT_COUNT_AS_TRUTH /* believes finished_count instead of looking */
        count = memory[FINISHED_COUNT];
        if
        :: REACHED(count, believed) ->
            ready[0] = ready[0] || outstanding[0] > 0;
            ready[1] = ready[1] || outstanding[1] > 0;
            break
        :: else
        fi;
#endif
        look_at_rings();
        if
        :: NUM_READY < need -> sleep_slice()
        :: else
        fi;
        look_at_rings();
        check_failure(0);
        check_failure(1)
    od
}

inline deliver(lane)
{
    if
    :: ready[lane] ->
        assert(memory[RESULT_ENTRY(lane, sequence[lane] - 1)] == sequence[lane]);
        ready[lane] = false;
        outstanding[lane] = 0
    :: else
    fi
}

/* A step of every idle lane; a lane that is pending is left alone, or reset over its command. */
inline send_to(lane)
{
    if
    :: gone[lane]
    :: !gone[lane] && outstanding[lane] == 0 && !ready[lane] -> command(lane)
#ifdef SUPERSEDES
    :: !gone[lane] && outstanding[lane] == 1 -> command(lane)
    :: !gone[lane] && ready[lane] -> ready[lane] = false; command(lane)
#endif
    :: !gone[lane] && (outstanding[lane] > 0 || ready[lane])
    fi
}

proctype learner()
{
    byte read_index[LANES], sequence[LANES], outstanding[LANES], epoch, count, need, round;
    bool ready[LANES], commanded[LANES], gone[LANES];
#ifdef MUTANT_COUNT_AS_TRUTH
    byte believed;
#endif
    {
    do
    :: round < ROUNDS ->
        look_at_rings();
        atomic {
            send_to(0);
            send_to(1);
            round++
        }
#ifdef MUTANT_COUNT_AS_TRUTH
        believed = WRAPPED(memory[FINISHED_COUNT] + NUM_PENDING);
#endif
        broadcast();
        atomic {
            if /* a batch of whoever is first leaves the others late; the last one is whole */
            :: round < ROUNDS && NUM_PENDING > 1 -> need = 1
            :: need = NUM_PENDING
            fi
        }
        wait_for_results();
        atomic { deliver(0); deliver(1); need = 0 }
    :: else -> break
    od;
    /* close() */
    atomic {
        STORE(LEARNER, CLOSED, 1);
        commanded[0] = true;
        commanded[1] = true;
        slices_of_command[0] = 0;
        slices_of_command[1] = 0
    }
    broadcast()
    } unless { killed[LEARNER] }
    atomic { FENCE(LEARNER) -> dead[LEARNER] = true; asleep[LEARNER] = false }
}

/* What no slice may cost. */
#ifdef WITH_GARBAGE_COUNT
#define SLICES_BOUNDED (num_slices <= num_overwritten)
#else
#define SLICES_BOUNDED (slices_of_command[0] <= 1 && slices_of_command[1] <= 1)
#endif

init {
    byte value;
    atomic {
        memory[FINISHED_COUNT] = 14; /* soon over the edge */
        run simulator(0);
        run simulator(1);
        run learner()
    }
#if defined(WITH_GARBAGE_COUNT) || defined(WITH_GARBAGE_WAITING)
    atomic {
        if /* one too few; many too many, so that they look like too few */
        :: value = 15
        :: value = 9
        fi;
#ifdef WITH_GARBAGE_COUNT
        memory[FINISHED_COUNT] = WRAPPED(memory[FINISHED_COUNT] + value);
#else
        memory[NUM_WAITING] = WRAPPED(memory[NUM_WAITING] + value);
#endif
        num_overwritten++;
        value = 0
    }
#endif
#ifdef WITH_KILL
    if
    :: killed[0] = true
    :: killed[LEARNER] = true
    :: true
    fi;
#endif
    (dead[0] && dead[1] && dead[LEARNER]);
    assert(SLICES_BOUNDED)
}
