/* handshake.pml: commands out, results back, and nobody left asleep, on a machine with stores that
 * are seen late.
 *
 * One learner, two lanes, total store order: what a process stores waits in a buffer of its own
 * and reaches memory later, oldest first; a fence, an atomic add and a futex call empty the buffer.
 * The code: uerl_lane_commit() and sleep_slice() of csrc/core/simulator.c, broadcast() of
 * csrc/learner/commands.cpp, sleep_slice() of csrc/learner/learner.cpp, csrc/core/ring.h.
 *
 * As it is, the model has no time limits: it ends only if every sleeper is woken. Variants:
 *   WITH_GARBAGE_COUNT    somebody overwrites finished_count, and slices end: each overwriting
 *                         costs at most one slice
 *   WITH_GARBAGE_WAITING  the same for num_waiting: each command costs at most one slice
 *   WITH_KILL             the learner or a simulator is killed anywhere: nobody waits for ever, and
 *                         what was committed before is delivered */

#if defined(MUTANT_UNBOUNDED_SLEEP) || defined(MUTANT_NO_LAST_LOOK)
#define WITH_KILL
#endif
#if defined(WITH_KILL) || defined(WITH_GARBAGE_COUNT) || defined(WITH_GARBAGE_WAITING)
#ifndef MUTANT_UNBOUNDED_SLEEP
#define SLICES_END
#endif
#endif

#define LANES 2
#define ROUNDS 2
#if !defined(WITH_GARBAGE_COUNT) && !defined(WITH_GARBAGE_WAITING)
#define SUPERSEDES /* a reset may overtake an outstanding command */
#endif
#define LEARNER LANES /* index of its buffer and its bed */

/* The hints wrap as their 32 bits do, at 16. */
#define WRAPPED(value) ((value) & 15)
#define REACHED(count, goal) (WRAPPED((count) - (goal)) < 8)

/* The shared words. ENTRY stands for a command or result with the rows that it announces; a lane
 * has at most two commands without a result. */
#define COMMAND_EPOCH 0
#define CLOSED 1
#define WAKE_AT 2
#define SLEEPING 3
#define FINISHED_COUNT 4
#define NUM_WAITING 5
#define COMMAND_INDEX(lane) (6 + (lane))
#define RESULT_INDEX(lane) (8 + (lane))
#define COMMAND_ENTRY(lane, i) (10 + 2 * (lane) + ((i) & 1))
#define RESULT_ENTRY(lane, i) (14 + 2 * (lane) + ((i) & 1))
byte memory[18];
chan buffer[LANES + 1] = [12] of {byte, byte};

bool asleep[LANES + 1];    /* in the kernel, on the futex word of its side */
bool dead[LANES + 1];      /* its lock is free: its last store is in memory */
bool killed[LANES + 1];
byte num_slices;           /* that ended although what the sleeper waits for was there */
byte num_overwritten;
byte slices_of_command[LANES];

#define STORE(who, word, value) buffer[who] ! word, value
#define FENCE(who) empty(buffer[who])

#ifdef MUTANT_NO_FENCE
#define SEQ_CST_FENCE(who) skip
#else
#define SEQ_CST_FENCE(who) FENCE(who)
#endif
#ifdef MUTANT_ADD_OVERTAKES /* a relaxed add on a machine where it is no fence */
#define ADDS(who) true
#else
#define ADDS(who) FENCE(who)
#endif

/* Memory takes the oldest store of any buffer. */
active proctype stores_arrive()
{
    byte word, value;
end:
    do
    :: atomic { buffer[0] ? word, value -> memory[word] = value; word = 0; value = 0 }
    :: atomic { buffer[1] ? word, value -> memory[word] = value; word = 0; value = 0 }
    :: atomic { buffer[LEARNER] ? word, value -> memory[word] = value; word = 0; value = 0 }
    od
}

#define HAS_COMMAND(lane, read) (memory[COMMAND_INDEX(lane)] != read || memory[CLOSED] != 0)

proctype simulator(byte lane)
{
    byte read_index, write_index, epoch, count, wake_at;
    bool sleeping;
    {
    do
    :: atomic { memory[COMMAND_INDEX(lane)] != read_index ->
        /* take_command(): what the index counts is there, and in order. */
        assert(memory[COMMAND_ENTRY(lane, read_index)] == read_index + 1);
        read_index++ }
        /* uerl_lane_commit() */
#ifdef MUTANT_LOOK_BEFORE_COUNT /* what [P] forbids where an add is no fence */
        sleeping = memory[SLEEPING];
        wake_at = memory[WAKE_AT];
#endif
        atomic {
#ifdef MUTANT_INDEX_FIRST
            STORE(lane, RESULT_INDEX(lane), write_index + 1);
            STORE(lane, RESULT_ENTRY(lane, write_index), read_index);
#else
            STORE(lane, RESULT_ENTRY(lane, write_index), read_index);
            STORE(lane, RESULT_INDEX(lane), write_index + 1);
#endif
            write_index++ }
        atomic { ADDS(lane) ->
            memory[FINISHED_COUNT] = WRAPPED(memory[FINISHED_COUNT] + 1);
            count = memory[FINISHED_COUNT] }
        SEQ_CST_FENCE(lane); /* [P] */
#ifndef MUTANT_LOOK_BEFORE_COUNT
        sleeping = memory[SLEEPING];
        wake_at = memory[WAKE_AT];
#endif
        atomic {
            if
            :: sleeping && REACHED(count, wake_at) -> asleep[LEARNER] = false
            :: else
            fi;
            count = 0; sleeping = false; wake_at = 0 }
    :: atomic { memory[COMMAND_INDEX(lane)] == read_index && memory[CLOSED] != 0 -> break }
    :: atomic { !HAS_COMMAND(lane, read_index) -> skip }
        /* sleep_slice() */
#ifndef MUTANT_EPOCH_AFTER_LOOK
        epoch = memory[COMMAND_EPOCH];
#endif
        atomic { ADDS(lane) -> memory[NUM_WAITING] = WRAPPED(memory[NUM_WAITING] + 1) }
        SEQ_CST_FENCE(lane); /* [S] */
        if
        :: atomic { HAS_COMMAND(lane, read_index) -> skip }
        :: atomic { !HAS_COMMAND(lane, read_index) -> skip }
#ifdef MUTANT_EPOCH_AFTER_LOOK /* what [S] forbids where an add is no fence */
            epoch = memory[COMMAND_EPOCH];
#endif
            atomic { FENCE(lane) -> asleep[lane] = memory[COMMAND_EPOCH] == epoch }
            if
            :: !asleep[lane]
#ifdef SLICES_END
            :: atomic { timeout && asleep[lane] && HAS_COMMAND(lane, read_index) ->
                num_slices++; slices_of_command[lane]++; asleep[lane] = false }
            :: atomic { timeout && asleep[lane] && dead[LEARNER] -> asleep[lane] = false }
#endif
            fi
        fi;
        epoch = 0;
        atomic { ADDS(lane) -> memory[NUM_WAITING] = WRAPPED(memory[NUM_WAITING] + 15) }
        if
        :: atomic { HAS_COMMAND(lane, read_index) -> skip }
        :: atomic { !HAS_COMMAND(lane, read_index) && dead[LEARNER] -> break }
        :: atomic { !HAS_COMMAND(lane, read_index) && !dead[LEARNER] -> skip }
        fi
    od
    } unless { killed[lane] }
    /* The kernel: the last store arrives before the lock is free. */
    atomic { FENCE(lane) -> dead[lane] = true; asleep[lane] = false }
}

#include "handshake_learner.pml"
