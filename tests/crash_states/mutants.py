"""Seeded bugs of `make crash-states`: one rule of the source broken, where a crash must show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A source file in which each `before`, found exactly once, becomes its `after`."""

    operation: str
    name: str
    path: str
    changes: tuple[tuple[str, str], ...]


CONTENTS = "    write_contents(segment, text);\n"
NAME = "        error = publish_name(segment, fd);\n"
ADOPT = "    simulator->read_index = load_relaxed_u32(&simulator->commands->write_index);\n"
GENERATION = "    store_release_u32(&results->generation, generation);\n"
ENTRY = """    results->results[simulator->write_index % UERL_RING_CAPACITY] = (struct uerl_result){
        .sequence = simulator->command.sequence,
        .generation = simulator->generation,
        .status = status,
    };
"""
ENTRY_AFTERWARDS = ENTRY.replace("[simulator->write_index", "[(simulator->write_index - 1)")
PUBLISH = "    uerl_ring_publish(&results->write_index, &simulator->write_index);\n"
LOOK = """        const bool left = has_left(index);
        // Committed before it died? Then it counts. Its lock was seen free: nothing more can come.
        if (poll(index)) continue;
"""
LOOK_REVERSED = """        if (poll(index)) continue;
        const bool left = has_left(index);
"""
END_FILL = "    ready_.push_back(index);\n    end_fill(lane.target);\n"
SHOW_SLOT = (
    "        store_relaxed_u32(&uerl_segment_commands(&segment(), index)->slot, lane.slot);\n"
)
LEAVE = "        uerl_watch_stop(simulator->watch);\n"
LINK = "    if (linkat(AT_FDCWD, file_link, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) != 0) {\n"
TAKE = "uerl_lock_take(fd, UERL_LOCK_TAKEOVER) != UERL_OK"

MUTANTS = (
    Mutant(
        "create",
        "name_before_contents",
        "csrc/core/birth.c",
        (
            (CONTENTS, "    error = publish_name(segment, fd);\n" + CONTENTS),
            (NAME, ""),
        ),
    ),
    Mutant(
        "attach",
        "ready_before_indices",
        "csrc/core/attach.c",
        ((ADOPT, ""), (GENERATION, GENERATION + ADOPT)),
    ),
    Mutant(
        "publish",
        "index_before_entry",
        "csrc/core/simulator.c",
        ((PUBLISH, ""), (ENTRY, PUBLISH + ENTRY_AFTERWARDS)),
    ),
    Mutant(
        "collect",
        "ring_before_lock",
        "csrc/learner/masked.cpp",
        ((LOOK, LOOK_REVERSED),),
    ),
    Mutant(
        "collect",
        "shown_before_filled",
        "csrc/learner/learner.cpp",
        (
            (END_FILL, "    ready_.push_back(index);\n"),
            (SHOW_SLOT, SHOW_SLOT + "        end_fill(lane.slot);\n"),
        ),
    ),
    Mutant(
        "detach",
        "lock_before_state",
        "csrc/core/attach.c",
        ((LEAVE, LEAVE + "        uerl_segment_unlock(&simulator->segment);\n"),),
    ),
    Mutant(
        "takeover",
        "unlink_before_link",
        "csrc/core/birth.c",
        ((LINK, "    unlink(path);\n" + LINK),),
    ),
    Mutant("takeover", "no_takeover_byte", "csrc/core/birth.c", ((TAKE, "false"),)),
)
