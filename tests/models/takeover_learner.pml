/* takeover_learner.pml: the learner of takeover.pml, the killer, and the beginning. */

/* free_for(): nobody looks at the slot, it is not the last one, and nobody may still write it. */
#define MAY_WRITE(i) \
    ((outstanding > 0 && (i) == target) || (outstanding == 2 && (i) == overtaken))
#define FREE(i) ((i) != viewed && (i) != last && !MAY_WRITE(i))

inline pick_slot(instead)
{
    if
    :: FREE(0) -> next = 0
    :: !FREE(0) && FREE(1) -> next = 1
    :: !FREE(0) && !FREE(1) && FREE(2) -> next = 2
    :: !FREE(0) && !FREE(1) && !FREE(2) -> next = instead
    fi
}

inline publish()
{
    atomic {
        pick_slot(target);
        sequence++;
        if
        :: outstanding == 1 -> overtaken = target
        :: else
        fi;
        outstanding++;
        target = next;
        next = 0;
        commands[command_index % CAPACITY].sequence = sequence;
        commands[command_index % CAPACITY].generation = lane_generation;
        commands[command_index % CAPACITY].slot = target
    }
    command_index++
}

inline deliver(delivered)
{
    last = delivered;
    viewed = delivered
}

/* take_result(): asserts what the code counts as a violation, as all simulators here are honest. */
inline take_result()
{
    if
    :: outstanding == 2 && results[read_index % CAPACITY].sequence == sequence - 1 ->
        outstanding = 1
    :: else ->
        assert(results[read_index % CAPACITY].generation == lane_generation);
        assert(results[read_index % CAPACITY].sequence == sequence);
        assert(slots[target].row[0] == sequence && slots[target].row[1] == sequence);
        outstanding = 0;
        deliver(target)
    fi;
    read_index++
}

inline poll()
{
    atomic {
        do
        :: outstanding > 0 && result_index != read_index -> take_result()
        :: else -> break
        od
    }
}

/* What was committed was delivered or counted as discarded. */
inline drop_outstanding()
{
    assert(result_index == read_index);
    outstanding = 0
}

inline look_at_lock()
{
    seen = generation;
    left = lock == NOBODY || seen != lane_generation
}

/* mask_missing() */
inline check_failures()
{
    look_at_lock();
#ifndef MUTANT_NO_LAST_LOOK
    poll();
#endif
    atomic {
        if
        :: outstanding > 0 && left -> /* lost: nothing more can come, its memory is used again */
            drop_outstanding();
            masked = true;
            deliver(target)
        :: outstanding > 0 && !left -> /* late: its memory stays blocked */
            masked = true;
#ifdef MUTANT_LATE_IS_LOST
            outstanding = 0;
#endif
            pick_slot(last);
            deliver(next);
            next = 0
        :: else
        fi;
        seen = 0;
        left = false
    }
}

inline take_late_results()
{
    atomic {
        do
        :: result_index != read_index ->
            if
            :: results[read_index % CAPACITY].sequence == sequence -> outstanding = 0
            :: else
            fi;
            read_index++
        :: else -> break
        od
    }
}

/* look_for_returns() */
inline look_for_return()
{
    if
    :: outstanding > 0 ->
#ifdef MUTANT_LATE_RESULTS_FIRST /* a result that comes in between is nobody's */
        take_late_results();
        look_at_lock();
#else
        look_at_lock();
        take_late_results();
#endif
        atomic {
            if
            :: outstanding == 0 -> masked = false
            :: outstanding > 0 && left -> drop_outstanding()
            :: else
            fi;
            seen = 0;
            left = false
        }
    :: else
    fi;
    if
    :: masked && outstanding == 0 -> adopt(seen != lane_generation)
    :: else
    fi
}

/* adopt() and look_for_simulators(): the successor adopted the indices before it was ready. */
inline adopt(is_other)
{
    seen = generation;
    left = lock == NOBODY;
    atomic {
        if
        :: !left && state == READY && is_other ->
            lane_generation = seen;
            read_index = result_index;
            masked = false
        :: else
        fi;
        seen = 0;
        left = false
    }
}

#define SOMETHING_NEW \
    (result_index != read_index || lock == NOBODY || generation != lane_generation)

active proctype learner()
{
    byte lane_generation, read_index, sequence, outstanding, target, overtaken, next, seen;
    byte last = SLOTS;
    bool masked = true, left;
    do
    :: sequence == 0 && lock != NOBODY && state == READY -> adopt(true)
    :: masked && sequence > 0 && SOMETHING_NEW -> look_for_return()
    :: !masked && outstanding < 2 && sequence < COMMANDS -> publish()
    :: !masked && outstanding > 0 && result_index != read_index -> poll()
    :: !masked && outstanding > 0 -> check_failures()
    :: atomic { viewed != SLOTS -> viewed = SLOTS }
    :: sequence == COMMANDS && !masked -> break
    od;
    if
#ifdef MUTANT_CLOSE_WITHOUT_ROOM
    :: true ->
#else
    :: atomic { command_index - commands_read == CAPACITY -> skip } /* the word will do */
    :: atomic { command_index - commands_read < CAPACITY -> skip }
#endif
        atomic {
            commands[command_index % CAPACITY].sequence = CLOSE;
            commands[command_index % CAPACITY].generation = lane_generation
        }
        command_index++
    fi;
    closed = true
}

/* One simulator is spared, so that the commands must find somebody who answers them. */
active proctype killer()
{
    atomic {
        if
        :: killed[1] = true
        :: killed[2] = true
        fi
    }
}

init {
    atomic {
        run simulator(1);
        run simulator(2)
    }
}
