"""The images of the test Pods: built from docker/Dockerfile, once for each state of the sources.

They stay in podman's store as localhost/uerl-test-simulator and so on; the tag is a hash of all
that they are made from. A later run builds what has another, and removes the old one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
PREFIX = "localhost/uerl-test-"
BASE = f"{PREFIX}base"  # where no registry can be reached
NEEDED = ("podman", "runc", "catatonit")
HELPERS = "/usr/libexec/podman:/usr/lib/podman"  # where some systems keep catatonit
PULL_TIMEOUT_S = 300.0
BUILT = {"bin", "include", "lib", "__pycache__"}  # in a checkout, left out by .dockerignore
# podman's own choice, crun, refuses a machine that has control groups of both versions; explicit
# limits, because it may not raise those that it was started with.
SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
shm_size = "{shm_bytes}"
[engine]
runtime = "runc"
"""


def why_not() -> str:
    """Return why Pods cannot run here, "" if they can."""
    path = f"{os.environ['PATH']}:{HELPERS}"
    missing = [program for program in NEEDED if shutil.which(program, path=path) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    if os.geteuid() != 0:
        return "only root may start containers of several users"
    return ""


def settings(folder: Path, shm_bytes: int = 64 << 20) -> dict[str, str]:
    """Return an environment in which podman works here, with a /dev/shm of that size in Pods."""
    path = folder / "containers.conf"
    path.write_text(SETTINGS.format(shm_bytes=shm_bytes))
    return {**os.environ, "CONTAINERS_CONF": str(path)}


def sources() -> list[Path]:
    """Return every file that an image is made from: what .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    found = [ROOT / ".dockerignore", DOCKERFILE]
    for path in (ROOT / line[1:] for line in lines if line.startswith("!")):
        found += [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sorted(p for p in found if not BUILT & set(p.parts) and p.suffix != ".so")


def fingerprint() -> str:
    """Return a hash of the sources, and of their paths."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode:o}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_here(name: str) -> bool:
    """Return whether podman has an image."""
    return subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0


@cache
def image(target: str) -> str:
    """Return the image of a target of the Dockerfile, built if there is none of these sources."""
    name = f"{PREFIX}{target}:{fingerprint()[:16]}"
    if not is_here(name):
        with tempfile.TemporaryDirectory(prefix="uerl-test-") as folder:
            environ = settings(Path(folder))
            command = [
                *("podman", "build", "--quiet", "--network=host", "--pull=never"),
                *(f"--file={DOCKERFILE}", f"--target={target}", f"--tag={name}"),
                f"--build-arg=BASE={base(environ)}",
                *(f"--volume={mount}:ro" for mount in pip_mounts(Path(folder))),
            ]
            subprocess.run([*command, str(ROOT)], env=environ, check=True)
        remove_others(name)
    return name


def remove_others(name: str) -> None:
    """Remove images of the same target and of other sources, unless a container uses them."""
    query = ["podman", "images", "--format={{.Repository}}:{{.Tag}}", name.rpartition(":")[0]]
    found = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
    for other in set(found) - {name}:
        subprocess.run(["podman", "rmi", other], capture_output=True, check=False)


@cache
def base_of_dockerfile() -> str:
    """Return the base image that the Dockerfile names."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def base(environ: dict[str, str]) -> str:
    """Return the Dockerfile's base; without a registry, one that is made from Debian's packages."""
    wanted = base_of_dockerfile()
    for name in (wanted, BASE):
        if is_here(name):
            return name
    pull = ["podman", "pull", "--quiet", wanted]
    pulled = subprocess.run(
        pull, env=environ, capture_output=True, timeout=PULL_TIMEOUT_S, check=False
    )
    if pulled.returncode == 0:
        return wanted
    print(f"{wanted} cannot be pulled: making {BASE} with debootstrap", flush=True)
    with tempfile.TemporaryDirectory(prefix="uerl-test-base-") as folder:
        tree, archive = Path(folder) / "tree", Path(folder) / "base.tar"
        packages = "--include=python3,python3-venv"
        subprocess.run(
            ["debootstrap", "--variant=minbase", packages, "bookworm", str(tree)],
            stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        for waste in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(tree / waste)
            (tree / waste).mkdir()
        subprocess.run(["tar", "-C", str(tree), "-cf", str(archive), "."], check=True)
        subprocess.run(["podman", "import", "--quiet", str(archive), BASE], check=True)
    return BASE


def pip_mounts(folder: Path) -> Iterator[str]:
    """Return what pip in a build needs of this machine: its settings, and the paths they name."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found = dict(re.findall(r"^global\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    found |= dict(re.findall(r"^:env:\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    path = folder / "pip.conf"
    path.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in found.items()))
    yield f"{path}:/etc/pip.conf"
    for word in sorted({word for value in found.values() for word in value.split()}):
        # An index of files links to packages beside its own folder.
        local = str(Path(word[7:]).parent) if word.startswith("file://") else word
        if local.startswith("/") and Path(local).exists():
            yield f"{local}:{local}"
