"""A learner in a thread, for tests that are its simulator themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from uerl_shm import ArraySpec, EnvSpec, Simulator, VecEnv

STATE = ArraySpec.box(-9, 9, (3,))
SPEC = EnvSpec.single({"state": STATE}, {"move": ArraySpec.discrete(3)}, parameters={"wind": 2.5})


class Learner(threading.Thread):
    """Does what a test says with an env, while the test is the simulator."""

    def __init__(self, script: Callable[[VecEnv], Any], name: str, **options: Any) -> None:
        super().__init__()
        self.script, self.options = script, {"spec": SPEC, **options, "name": name}
        self.result: Any = None

    def run(self) -> None:
        try:
            env = VecEnv(startup_timeout_s=30, timeout_s=30, **self.options)
        except Exception as error:
            self.result = error
            return
        try:
            self.result = self.script(env)
        except Exception as error:
            self.result = error
        finally:
            env.close()


def serve(name: str, answer: Callable[[Any, Simulator], None], spec: EnvSpec | None = SPEC) -> None:
    with Simulator(name, spec=spec, timeout_s=30) as simulator:
        for command in simulator:
            answer(command, simulator)


def attached(learner: Learner, **options: Any) -> Simulator:
    return Simulator(learner.options["name"], timeout_s=30, **options)
