"""Seeded bugs of `make crash-states`: one rule of the source broken, where a crash must show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A source file in which each `before`, found exactly once, becomes its `after`."""

    name: str
    operation: str
    path: str
    changes: tuple[tuple[str, str], ...]


ENTRY = """    results->results[simulator->write_index % UERL_RING_CAPACITY] = (struct uerl_result){
        .sequence = simulator->command.sequence,
        .generation = simulator->generation,
        .status = status,
    };
"""
PUBLISH = "    uerl_ring_publish(&results->write_index, &simulator->write_index);\n"

MUTANTS = (
    Mutant(
        "index_before_entry",
        "publish",
        "csrc/core/simulator.c",
        (
            (PUBLISH, ""),
            (
                ENTRY,
                PUBLISH
                + ENTRY.replace("write_index %", "write_index - 1) %").replace(
                    "results[simulator", "results[(simulator"
                ),
            ),
        ),
    ),
)
