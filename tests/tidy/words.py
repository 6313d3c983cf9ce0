"""One word for one concept: names in csrc/ and uerl_shm/ use the words of docs/glossary.md."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from tidy.tree import Source, Tree

# Part of a name -> the word to use. Only cases without another honest meaning here.
EVERYWHERE = {
    "worker": "simulator",
    "workers": "simulators",
    "trainer": "learner",
    "doorbell": "wake",
    "heartbeat": "progress",
    "keepalive": "progress",
    "fifo": "ring",
    "dones": "terminated, truncated",
    "terminals": "terminated",
    "truncateds": "truncated",
    "terminateds": "terminated",
    "atn": "action",
}
# In Python, `log_tail` and `nn.Linear` heads are honest.
ONLY_IN_C = {"head": "read_index or write_index", "tail": "read_index or write_index"}
# Whole names that other people chose.
THIRD_PARTY = {
    *("worker", "max_workers", "num_workers"),  # AsyncVectorEnv, concurrent.futures, torch
    *("learning_agents_trainer", "Trainer"),  # Epic's words
    *("TorchTrainer", "resources_per_worker"),  # Ray's words
}
FOLDERS = ("csrc/*", "uerl_shm/*")
C_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^[ \t]*#[^\n]*', re.DOTALL | re.M)


def names_use_our_words(tree: Tree) -> Iterator[str]:
    """No name in csrc/ or uerl_shm/ uses a second word for one of our concepts."""
    for source in tree.matching(*FOLDERS):
        if source.path.endswith((".py", ".pyi")):
            names, banned = _python_names(source), EVERYWHERE
        elif source.path.endswith((".c", ".h", ".cpp", ".hpp")):
            names, banned = _c_names(source), EVERYWHERE | ONLY_IN_C
        else:
            continue
        for name, number in sorted(names.items(), key=lambda item: item[1]):
            for part in _parts(name):
                if part in banned and name not in THIRD_PARTY:
                    yield (
                        f"{source.path}:{number} names something {name!r}: "
                        f"say {banned[part]} (docs/glossary.md)"
                    )


def _parts(name: str) -> list[str]:
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def _python_names(source: Source) -> dict[str, int]:
    names: dict[str, int] = {}
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.NAME:
            names.setdefault(token.string, token.start[0])
    return names


def _c_names(source: Source) -> dict[str, int]:
    blank = C_NOISE.sub(lambda found: "\n" * found[0].count("\n"), source.text)
    names: dict[str, int] = {}
    for found in re.finditer(r"\b[A-Za-z_]\w*", blank):
        names.setdefault(found[0], blank.count("\n", 0, found.start()) + 1)
    return names
