"""Two network namespaces with one cable between them, for as long as a test needs them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

LEARNER_ADDRESS, ENGINE_ADDRESS = "10.213.7.1", "10.213.7.2"


@dataclass(frozen=True)
class Cable:
    """Names of the two namespaces; each has one end of a veth pair."""

    learner: str
    engine: str

    def at(self, namespace: str) -> list[str]:
        """What stands before a command that is to run in a namespace."""
        return ["ip", "netns", "exec", namespace]

    def pull(self) -> None:
        """Take the cable out: both ends lose their link at once, and nobody is told."""
        _ip("-n", self.learner, "link", "set", "end0", "down")

    def plug(self) -> None:
        """Put it back."""
        _ip("-n", self.learner, "link", "set", "end0", "up")


def why_not() -> str:
    """Why namespaces cannot be made here; nothing: they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip (iproute2) is not installed"
    probe = f"uerl-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode != 0:
        return f"ip netns add: {made.stderr.strip()}"
    _ip("netns", "delete", probe)
    return ""


@contextlib.contextmanager
def cable() -> Iterator[Cable]:
    """Make both namespaces and the cable; they are gone afterwards."""
    names = [f"uerl-bridge-{side}-{os.getpid()}" for side in ("learner", "engine")]
    made = Cable(*names)
    try:
        for name in names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip(
            "-n", names[0], "link", "add", "end0", "type", "veth", "peer", "end0", "netns", names[1]
        )
        for name, address in zip(names, (LEARNER_ADDRESS, ENGINE_ADDRESS), strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "end0")
            _ip("-n", name, "link", "set", "end0", "up")
        yield made
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
