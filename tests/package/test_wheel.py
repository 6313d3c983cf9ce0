"""The wheel alone, in an environment that has nothing but NumPy and gymnasium."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIMULATOR = """\
#include <stdio.h>
#include <uerl_shm/uerl_shm.h>

int main(void)
{
    uerl_simulator *simulator;
    printf("%d", uerl_simulator_attach(&simulator, "no-such-segment", 0, 0));
    return 0;
}
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def needed_by(name: str, seen: set[str]) -> set[str]:
    """A distribution and all that it requires, by name."""
    if name in seen:
        return seen
    try:
        required = distribution(name).requires or []
    except PackageNotFoundError:
        return seen  # a requirement of another platform or Python
    seen.add(name)
    for line in required:
        if "extra ==" not in line:
            needed_by(re.split(r"[^\w.-]", line, maxsplit=1)[0], seen)
    return seen


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir")
    run(sys.executable, "-m", "pip", *build, folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """Python of a virtual environment with the wheel; NumPy and gymnasium are linked into it."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in needed_by("numpy", set()) | needed_by("gymnasium", set()):
        for file in distribution(name).files or []:
            top = Path(file.parts[0])
            if top.name not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    python = folder / "bin" / "python"
    install = ("install", "--no-deps", "--no-index", "--quiet")
    run(sys.executable, "-m", "pip", "--python", python, *install, wheel)
    return python


@pytest.mark.timeout(600)
def test_wheel_has_executables_headers_library_types_and_the_page(wheel):
    with zipfile.ZipFile(wheel) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    for name in ("bin/uerl-sim", "bin/uerl-launch"):
        assert modes[f"uerl_shm/{name}"] & 0o111
    for name in ("include/uerl_shm/uerl_shm.h", "include/uerl_shm/layout.h", "lib/libuerl_shm.a"):
        assert f"uerl_shm/{name}" in modes
    for name in ("py.typed", "_core.pyi", "cli/view.html"):
        assert f"uerl_shm/{name}" in modes
    assert not [name for name in modes if name.startswith(("tests", "csrc", "build", "examples"))]


def test_wheel_alone_runs_the_minimal_loop(python, tmp_path):
    program = (ROOT / "examples" / "minimal_loop.py").read_text()
    (tmp_path / "loop.py").write_text(program + "print(uerl_shm.__file__)\n")
    *episodes, path = run(python, "loop.py", cwd=tmp_path).splitlines()
    assert not Path(path).is_relative_to(ROOT)
    assert len(episodes) == 16  # 8 envs, 1000 steps, 350 to an episode
    assert all(re.fullmatch(r"env \d: return \d+", line) for line in episodes)


def test_wheel_alone_is_enough_to_compile_a_simulator(python, tmp_path):
    include = run(python, "-c", "import uerl_shm; print(uerl_shm.get_include())", cwd=tmp_path)
    library = Path(include.strip()).parent / "lib"
    (tmp_path / "simulator.c").write_text(SIMULATOR)
    flags = ("-I", include.strip(), "-L", library, "-luerl_shm", "-pthread")
    run("cc", "simulator.c", *flags, "-o", "simulator", cwd=tmp_path)
    assert run("./simulator", cwd=tmp_path) == "-2"


def test_wheel_alone_renders_manifests(python, tmp_path):
    (tmp_path / "render.py").write_text(
        "import sys\n"
        "from uerl_shm.k8s import Training, render\n"
        "from uerl_shm.spec import EnvSpec\n"
        "files = render(Training(EnvSpec.load(sys.argv[1]), 'mine', 3))\n"
        "print(files['base/train-job.yaml'].count('- name: sim-'), len(files))\n"
    )
    count, num_files = run(
        python, "render.py", ROOT / "tests/k8s/apples.json", cwd=tmp_path
    ).split()
    files = [path for path in (ROOT / "k8s").rglob("*.*") if path.suffix in (".yaml", ".json")]
    manifests = [path for path in files if "templates" not in path.parts]
    assert (int(count), int(num_files)) == (3, len(manifests))
