"""`make test-bridge`: a learner and its simulators in two network namespaces.

    run.py [--steps N]

Bytes: every row of `probe` compared, over the bridge, over TLS, and with a byte changed on the way,
which must be found. Cut: the cable is pulled, both ends notice within 2 s, and the loop goes on
when it is back. Strangers: a wrong token, and plain bytes where TLS is spoken. Engine: the plugin
over the stand-in engine, without a /dev/shm. Each prints its figures; the last line is RESULT, and
the exit code is 1 when anything falls short.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)

import numpy as np

from bridge.namespaces import LEARNER_ADDRESS, Cable, cable, why_not
from command_line import PROGRAM
from processes import eventually
from support.probes import CONFORMANCE, spec_of
from uerl_shm import ArraySpec, EnvSpec, VecEnv
from uerl_shm.launcher import describe
from verify import drives
from verify.session import Session

PROBE = [sys.executable, str(CONFORMANCE / "probe.py")]
WORDS = ["--info", "speed:float32:3", "--observation", "camera:uint8:32x32x3"]
WORDS += ["--observation", "state:float32:17"]
PORT = 7450
ENGINE = HERE.parents[1] / "build/unreal/plain/shim_engine"  # tests/unreal/build.py
LONGEST_CUT_S = 2.0
LONGEST_RESUME_S = 10.0  # TCP waits up to 4 s between two tries of one connection
HANG_S = 60.0
Figures = dict[str, object]


class Place:
    """The cable, a folder, and what every process of a run needs to know."""

    def __init__(self, between: Cable, folder: Path) -> None:
        self.cable, self.folder = between, folder
        self.token, self.wrong = folder / "token", folder / "wrong-token"
        self.token.write_text(os.urandom(32).hex())
        self.wrong.write_text(os.urandom(32).hex())
        for secret in (self.token, self.wrong):
            secret.chmod(0o600)
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=uerl", "-addext",
             f"subjectAltName=IP:{LEARNER_ADDRESS}", "-out", self.certificate, "-keyout", self.key],
            check=True, capture_output=True,
        )  # fmt: skip
        self._number = 0

    @contextlib.contextmanager
    def process(self, namespace: str, words: list[Any], **environ: Any) -> Iterator[Running]:
        """Run a program in a namespace; it is gone afterwards."""
        self._number += 1
        log = self.folder / f"{self._number}.log"
        own = {key: str(value) for key, value in environ.items()}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*self.cable.at(namespace), *map(str, words)],
                stdout=file, stderr=subprocess.STDOUT, env=os.environ | own,
            )  # fmt: skip
        try:
            yield Running(process, log)
        finally:
            process.kill()
            process.wait()

    def bridge(self, name: str, *words: object) -> contextlib.AbstractContextManager[Running]:
        """`uerl-shm bridge` where the learner is."""
        listen = ["--listen", f"{LEARNER_ADDRESS}:{PORT}", "--token-file", self.token]
        command = [*PROGRAM, "bridge", name, *listen, *words]
        return self.process(self.cable.learner, command)

    def probe(
        self, *words: object, token: Path | None = None, **environ: object
    ) -> contextlib.AbstractContextManager[Running]:
        """A simulator where the engines are."""
        return self.process(
            self.cable.engine,
            [*PROBE, *WORDS, *words],
            UERL_SHM_BRIDGE=f"{LEARNER_ADDRESS}:{PORT}",
            UERL_SHM_BRIDGE_TOKEN_FILE=token or self.token,
            **environ,
        )


class Running:
    """A process and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    def says(self, text: str, timeout_s: float = 30.0) -> bool:
        """Whether its output has this text, in time."""
        return eventually(lambda: text in self.log.read_text(errors="replace"), timeout_s)


def spec() -> EnvSpec:
    """What `probe` says of itself."""
    return spec_of(tuple(PROBE), tuple(WORDS))


@contextlib.contextmanager
def learner(name: str, num_envs: int, **options: Any) -> Iterator[VecEnv]:
    """A learner whose simulators come by themselves."""
    env = VecEnv(num_envs=num_envs, spec=spec(), name=name, startup_timeout_s=60, **options)
    try:
        yield env
    finally:
        env.close()


def compared(env: VecEnv, num_steps: int) -> tuple[int, int]:
    """Step and compare every byte; return steps, and what was wrong."""
    session = Session(env, np.random.default_rng(0), envs_per_simulator=1, max_held=4)
    drives.sync(session, num_steps)
    session.end()
    return session.tally.env_steps, session.tally.num_wrong()


def check_bytes(place: Place, num_steps: int) -> Figures:
    """The same simulator in the segment, over the bridge, over TLS, and over a wrong cable."""
    name = f"bridge-run-{os.getpid()}"
    tls = ("--certificate", place.certificate, "--key", place.key)
    figures: Figures = {}
    with place.process(place.cable.learner, [*PROBE, *WORDS], UERL_SHM_NAME=name):
        with learner(name, 1) as env:
            figures["local_steps"], figures["local_wrong"] = compared(env, num_steps)
    with place.bridge(name), place.probe(), place.probe(), learner(name, 2) as env:
        figures["steps"], figures["wrong"] = compared(env, num_steps)
    secured = {"UERL_SHM_BRIDGE_CERTIFICATE": place.certificate}
    with place.bridge(name, *tls), place.probe(**secured), learner(name, 1) as env:
        figures["tls_steps"], figures["tls_wrong"] = compared(env, num_steps)
    with place.bridge(name), mutant(place), learner(name, 1) as env:
        figures["mutant_found"] = int(compared(env, num_steps // 10)[1] > 0)
    met = figures["local_wrong"] == figures["wrong"] == figures["tls_wrong"] == 0
    assert met and figures["mutant_found"], figures
    return figures


@contextlib.contextmanager
def mutant(place: Place) -> Iterator[None]:
    """A simulator over a cable that changes a byte now and then."""
    program = [sys.executable, HERE / "wrong_byte.py", *WORDS]
    address = f"{LEARNER_ADDRESS}:{PORT}"
    environ = {"UERL_SHM_BRIDGE": address, "UERL_SHM_BRIDGE_TOKEN_FILE": place.token}
    with place.process(place.cable.engine, program, **environ):
        yield


def check_speed(place: Place) -> Figures:
    """Steps in a second of a simulator that does nothing; no figure is demanded."""
    name = f"bridge-speed-{os.getpid()}"
    program = [sys.executable, HERE / "fast.py"]
    far = {
        "UERL_SHM_BRIDGE": f"{LEARNER_ADDRESS}:{PORT}",
        "UERL_SHM_BRIDGE_TOKEN_FILE": place.token,
    }
    tls = ("--certificate", place.certificate, "--key", place.key)
    secured = far | {"UERL_SHM_BRIDGE_CERTIFICATE": place.certificate}
    figures: Figures = {}
    for pixels in (8, 84, 320):
        camera = {"camera": ArraySpec.image(pixels, pixels, 3)}
        made = EnvSpec.single(camera, {"action": ArraySpec.box(-1, 1, (4,))})
        with place.process(place.cable.learner, program, UERL_SHM_NAME=name):
            figures[f"local_{pixels}px_per_s"] = speed(name, made)
        with place.bridge(name), place.process(place.cable.engine, program, **far):
            figures[f"bridge_{pixels}px_per_s"] = speed(name, made)
        with place.bridge(name, *tls), place.process(place.cable.engine, program, **secured):
            figures[f"tls_{pixels}px_per_s"] = speed(name, made)
    return figures


def speed(name: str, made: EnvSpec) -> int:
    """Steps in a second, over two seconds."""
    action = np.zeros((1, 4), np.float32)
    env = VecEnv(num_envs=1, spec=made, name=name, startup_timeout_s=60)
    with contextlib.closing(env):
        env.reset(seed=0)
        begin, steps = time.monotonic(), 0
        while time.monotonic() - begin < 2.0:
            env.step(action)
            steps += 1
        return round(steps / (time.monotonic() - begin))


def check_cut(place: Place) -> Figures:
    """Pull the cable while the learner steps; put it back; rows must be those that belong there."""
    name = f"bridge-cut-{os.getpid()}"
    with (
        place.bridge(name) as bridge,
        place.process(place.cable.engine, [sys.executable, HERE / "comes_back.py", *WORDS],
                      UERL_SHM_BRIDGE=f"{LEARNER_ADDRESS}:{PORT}",
                      UERL_SHM_BRIDGE_TOKEN_FILE=place.token) as engine,
        learner(name, 1, on_death="mask", min_valid=0, timeout_s=10.0) as env,
    ):  # fmt: skip
        action = np.zeros((1, 4), np.float32)
        env.reset(seed=0)
        for _ in range(100):
            assert env.step(action)[4]["valid"].all()
        assert "cut noticed" not in engine.log.read_text()
        begin, pulled = time.monotonic(), time.time()
        place.cable.pull()
        steps_until(env, action, False)
        learner_s = time.monotonic() - begin
        assert engine.says("cut noticed", 10)
        engine_s = engine.log.stat().st_mtime - pulled  # its first line
        place.cable.plug()
        begin = time.monotonic()
        masked = steps_until(env, action, True)
        resumed_s = time.monotonic() - begin
        shifted = shifted_steps(env, action)
        assert bridge.says("silent")
    figures: Figures = {
        "learner_noticed_s": round(learner_s, 2), "engine_noticed_s": round(engine_s, 2),
        "resumed_s": round(resumed_s, 2), "masked_steps": masked, "shifted": shifted,
    }  # fmt: skip
    noticed = all(0 < taken_s <= LONGEST_CUT_S for taken_s in (learner_s, engine_s))
    assert noticed and resumed_s <= LONGEST_RESUME_S and shifted == 0, figures
    return figures


def steps_until(env: VecEnv, action: np.ndarray, valid: bool) -> int:
    """Step until the rows are valid, or are not; return how many steps before were otherwise."""
    deadline, steps = time.monotonic() + HANG_S, 0
    while bool(env.step(action)[4]["valid"].all()) != valid:
        steps += 1
        assert time.monotonic() < deadline, f"no step with valid={valid} in {HANG_S:.0f} s"
    return steps


def shifted_steps(env: VecEnv, action: np.ndarray) -> int:
    """How many of 200 steps show another step than the one after the last."""
    last = env.step(action)[4]["step"].item()
    shifted = 0
    for _ in range(200):
        step = env.step(action)[4]["step"].item()
        shifted += step != last + 1
        last = step
    return shifted


def check_strangers(place: Place) -> Figures:
    """Whoever has not got the token, or does not speak TLS, gets no lane."""
    name = f"bridge-strangers-{os.getpid()}"
    with place.bridge(name) as bridge, place.probe(token=place.wrong) as stranger:
        refused = stranger.says("token is not that of this bridge") and stranger.process.wait(30)
        served = "are served" in bridge.log.read_text()
    tls = ("--certificate", place.certificate, "--key", place.key)
    with place.bridge(name, *tls) as bridge, place.probe() as plain:
        refused_plain = bridge.says("TLS failed")
        served |= "are served" in bridge.log.read_text()
        assert plain.process.poll() is None
    figures: Figures = {
        "wrong_token_refused": int(bool(refused)), "plain_refused": int(refused_plain),
        "strangers_served": int(served),
    }  # fmt: skip
    assert refused and refused_plain and not served, figures
    return figures


def check_engine(place: Place, num_steps: int) -> Figures:
    """The plugin, where nothing can be made in /dev/shm, beside itself with a segment."""
    name = f"bridge-engine-{os.getpid()}"
    empty = place.folder / "empty"
    empty.mkdir()
    hide = f'mount --bind {empty} /dev/shm && mount -o remount,bind,ro /dev/shm && exec "$@"'
    alone = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    program = [ENGINE, "Walk"]
    far = [f"-UerlBridge={LEARNER_ADDRESS}:{PORT}", f"-UerlBridgeTokenFile={place.token}"]
    made = describe([str(ENGINE), "Walk"])
    with place.process(place.cable.learner, [*program, f"-UerlShm={name}"]):
        near = walked(name, made, num_steps)
    with place.bridge(name), place.process(place.cable.engine, [*alone, *program, *far]) as engine:
        over = walked(name, made, num_steps)
        assert engine.process.wait(30) == 0, engine.log.read_text()
        maps = engine.log.read_text().count("Shim: map")
    wrong = sum(one != other for one, other in zip(near, over, strict=True))
    figures: Figures = {
        "engine_steps": num_steps, "engine_wrong": wrong, "engine_maps": maps,
        "engine_files": len(list(empty.iterdir())),
    }  # fmt: skip
    assert not (figures["engine_wrong"] or maps or figures["engine_files"]), figures
    return figures


def walked(name: str, made: EnvSpec, num_steps: int) -> list[bytes]:
    """Step the level Walk; the bytes of every step."""
    rng = np.random.default_rng(1)
    env = VecEnv(num_envs=1, spec=made, name=name, startup_timeout_s=60)
    with contextlib.closing(env):
        env.reset(seed=0)
        return [
            bytes_of(env.step(rng.uniform(-1, 1, (1, 2)).astype(np.float32)))
            for _ in range(num_steps)
        ]


def bytes_of(tree: Any) -> bytes:
    """All arrays of nested tuples and dicts, one after the other."""
    if isinstance(tree, dict):
        return b"".join(key.encode() + bytes_of(value) for key, value in sorted(tree.items()))
    if isinstance(tree, tuple):
        return b"".join(map(bytes_of, tree))
    return np.asarray(tree).tobytes()


def main() -> None:
    """Run all of it, whatever fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=4000, help="of each comparison")
    steps = parser.parse_args().steps
    if reason := why_not():
        print(f"RESULT skipped=1 reason={reason.replace(' ', '_')}")
        return
    figures: Figures = {}
    failed = []
    with cable() as between, tempfile.TemporaryDirectory(prefix="uerl-bridge-") as folder:
        place = Place(between, Path(folder))
        checks = {
            "bytes": lambda: check_bytes(place, steps),
            "speed": lambda: check_speed(place),
            "cut": lambda: check_cut(place),
            "strangers": lambda: check_strangers(place),
            "engine": lambda: check_engine(place, steps),
        }
        for name, check in checks.items():
            print(f"== {name}", flush=True)
            try:
                found = check()
            except Exception:
                traceback.print_exc()
                failed.append(name)
                continue
            print(" ".join(f"{key}={value}" for key, value in found.items()), flush=True)
            figures |= found
    figures["failed"] = ",".join(failed) or "none"
    print("RESULT " + " ".join(f"{key}={value}" for key, value in figures.items()))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
