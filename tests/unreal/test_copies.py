"""The plugin's copies of the core are those of today, and enough for a simulator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import copy_core
import pytest

ROOT = copy_core.ROOT
HERE = ROOT / copy_core.HERE


def test_no_copy_is_stale():
    names = [str(path.relative_to(ROOT)) for path in copy_core.stale()]
    assert not names, f"{names} differ from csrc: run `make unreal` and commit what it changes"


@pytest.mark.parametrize("change", ["edited", "missing", "left over"])
def test_a_stale_copy_is_found(tmp_path, change):
    for folder in (copy_core.HERE, copy_core.PUBLIC, copy_core.CORE):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / copy_core.HERE / "core" / "ring.h"
    if change == "edited":
        (tmp_path / copy_core.CORE / "ring.h").write_text("another text\n")
    elif change == "missing":
        path.unlink()
    else:
        path = path.with_name("gone.c")
        path.write_text("")
    assert copy_core.stale(tmp_path) == [path]


@pytest.mark.parametrize("standard", ["c11", "c17"])
def test_the_copies_are_a_whole_simulator_whose_calls_can_be_linked(tmp_path, standard):
    # As the editor links modules: each a library, with everything hidden that is not marked.
    library = tmp_path / "libUerlShmCore.so"
    flags = ["-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wundef", "-Wshadow", "-Werror"]
    include = [f"-I{HERE / 'include'}", f"-I{HERE / 'core'}"]
    files = map(str, sorted((HERE / "core").glob("*.c")))
    link = ["-shared", "-Wl,--no-undefined", "-pthread", "-o", str(library)]
    compiler = os.environ.get("CC", "gcc")
    subprocess.run([compiler, f"-std={standard}", *flags, *include, *files, *link], check=True)
    listed = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)],
        check=True,
        capture_output=True,
        text=True,
    )
    exported = {line.split()[0] for line in listed.stdout.splitlines()}
    header = (HERE / "include/uerl_shm/uerl_shm.h").read_text()
    declared = set(re.findall(r"^(?!\s|typedef|#).*?\b(uerl_\w+)\(", header, re.MULTILINE))
    assert len(declared) > 20
    assert declared <= exported, f"{declared - exported} missing: look at NOT_COPIED"


def test_what_a_bridge_needs_compiles_and_links_for_windows(tmp_path):
    # Those sources whose first comment says "portable". They never ran there.
    compiler = shutil.which("x86_64-w64-mingw32-gcc")
    if compiler is None:
        pytest.skip("x86_64-w64-mingw32-gcc is not there (mingw-w64)")
    sources = [
        path
        for path in sorted((HERE / "core").glob("*.c"))
        if "portable" in path.read_text().split("*/")[1]  # the first says of what it is a copy
    ]
    assert {"bridge.c", "calls.c", "spec.c", "pixels.c"} <= {path.name for path in sources}
    flags = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror"]
    include = [f"-I{HERE / 'include'}", f"-I{HERE / 'core'}"]
    link = ["-shared", "-Wl,--no-undefined", "-o", str(tmp_path / "bridge.dll")]
    command = [compiler, *flags, *include, *map(str, sources), *link]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
