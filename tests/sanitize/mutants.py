"""The mutants of `make sanitize`: each must be found, by the tool that it is for."""

from __future__ import annotations

from sanitize.programs import FUZZER, MEMORY, ROOT, THREADS, Kit, Mutant

RACE = "WARNING: ThreadSanitizer: data race"
WRONG = "wrong values"  # seen by the program itself
BATCHES = "20000"


def _race(name: str, file: str, right: str, wrong: str, finding: str = RACE) -> Mutant:
    program = "tests/sanitize/races.program"
    return Mutant(name, THREADS, program, file, right, wrong, finding, (BATCHES,))


def _memory(name: str, program: str, file: str, right: str, wrong: str, finding: str) -> Mutant:
    return Mutant(name, MEMORY, program, file, right, wrong, finding)


def _fuzz(name: str, target: str, file: str, right: str, wrong: str) -> Mutant:
    corpus = str(ROOT / "tests/fuzz/corpus" / target)
    limits = ("-max_total_time=60", "-timeout=10", "-seed=1", "-max_len=256", "-len_control=0")
    artifacts = "-artifact_prefix=/dev/null/"  # a mutant's crash is nobody's
    kit: Kit = FUZZER
    program = f"tests/fuzz/{target}.program"
    return Mutant(name, kit, program, file, right, wrong, "ERROR: ", (*limits, artifacts, corpus))


MUTANTS = (
    _memory(
        "address:reads_one_field_too_many",
        "test_attach",
        "csrc/core/arrays.c",
        "i < segment->header.num_fields; i++)\n        if (segment->fields[i].group == group",
        "i <= segment->header.num_fields; i++)\n        if (segment->fields[i].group == group",
        "heap-buffer-overflow",
    ),
    _memory(
        "undefined:deadline_overflows",
        "test_wait",
        "csrc/core/wait.c",
        "timeout_ns < 0 || timeout_ns > INT64_MAX - now_ns ?",
        "timeout_ns < 0 ?",
        "signed integer overflow",
    ),
    _race(
        "thread:publish_is_relaxed",
        "csrc/core/ring.h",
        "store_release_u32(shared_write_index, *write_index)",
        "store_relaxed_u32(shared_write_index, *write_index)",
    ),
    _race(
        "thread:publish_is_plain",
        "csrc/core/ring.h",
        "store_release_u32(shared_write_index, *write_index)",
        "*shared_write_index = *write_index",
    ),
    _race(
        "thread:peek_is_relaxed",
        "csrc/core/ring.h",
        "load_acquire_u32(shared_write_index) - read_index",
        "load_relaxed_u32(shared_write_index) - read_index",
    ),
    _race(
        "thread:successor_is_seen_relaxed",
        "csrc/learner/learner.cpp",
        "load_acquire_u32(&uerl_segment_results(&segment(), lane)->generation);\n    const",
        "load_relaxed_u32(&uerl_segment_results(&segment(), lane)->generation);\n    const",
    ),
    _race(
        "thread:message_is_counted_relaxed",
        "csrc/core/message.c",
        "store_release_u32(&simulator->results->message_count",
        "store_relaxed_u32(&simulator->results->message_count",
    ),
    _race(
        "thread:options_come_with_any_command",
        "csrc/core/message.c",
        "count = simulator->command.message_count",
        "count = load_relaxed_u32(&simulator->commands->message_count)",
        WRONG,
    ),
    _race(
        "thread:late_slot_is_used_again",
        "csrc/learner/commands.cpp",
        "return lane.outstanding == 0 ||\n           (slot",
        "return lane.outstanding == 0 || lane.masked ||\n           (slot",
    ),
    _fuzz(
        "attach:table_may_lie_outside",
        "attach",
        "csrc/core/spec.c",
        "if (offset > segment_bytes || bytes > segment_bytes - offset)",
        "if (offset > segment_bytes)",
    ),
    _fuzz(
        "attach:any_slot_is_taken",
        "attach",
        "csrc/core/simulator.c",
        "command.slot >= num_slots ||",
        "",
    ),
    _fuzz(
        "attach:message_of_any_length",
        "attach",
        "csrc/core/message.c",
        "if (bytes > simulator->segment.header.message_bytes)",
        "if (bytes == UINT32_MAX)",
    ),
    _fuzz(
        "scribble:message_of_any_length",
        "scribble",
        "csrc/learner/messages.cpp",
        'if (bytes > segment().header.message_bytes) return "";',
        'if (bytes == UINT32_MAX) return "";',
    ),
    _fuzz(
        "scribble:length_is_loaded_twice",
        "scribble",
        "csrc/learner/messages.cpp",
        "clean_text(std::string(reinterpret_cast<const char*>(area + 1), bytes))",
        "clean_text(std::string(reinterpret_cast<const char*>(area + 1), "
        "load_relaxed_u32(&area->bytes)))",
    ),
    _fuzz(
        "scribble:results_without_a_command",
        "scribble",
        "csrc/learner/learner.cpp",
        "result.generation != lane.generation || lane.outstanding == 0 ||",
        "result.generation != lane.generation ||",
    ),
)
