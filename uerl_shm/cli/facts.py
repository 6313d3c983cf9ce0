"""What `uerl-shm doctor` finds out: a fact, whether it is good, and what to do if it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from uerl_shm.errors import UerlError


@dataclass(frozen=True)
class Fact:
    """One line of the report.

    Attributes:
        name: What it is about.
        value: What was found.
        good: True; False if it keeps uerl_shm from working; None if it only deserves a look.
        remedy: What to do; empty when good.
    """

    name: str
    value: str
    good: bool | None = True
    remedy: str = ""


#: Finds out facts that belong together.
Examination = Callable[[], Iterable[Fact]]


def collect(examinations: Iterable[Examination]) -> Iterator[Fact]:
    """Run the examinations; one that cannot be carried out is a fact, too."""
    for examination in examinations:
        try:
            yield from examination()
        except (OSError, ValueError, UerlError) as error:
            name = examination.__name__.replace("_", " ")
            remedy = "report this line: it should have been a plain yes or no"
            yield Fact(name, f"could not be examined: {error}", None, remedy)
