"""What is said in several places is the same everywhere: layout, stubs, public names, imports."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from typing import Any

import pytest

import uerl_shm
from tidy import layout_tables, python_rules
from tidy.tree import ROOT
from uerl_shm import _core, _simulator

STUB = ROOT / "uerl_shm" / "_core.pyi"
HEAVY = (
    *python_rules.FRAMEWORKS,
    *("_cffi_backend", "typer", "rich", "tensorboard", "imageio", "matplotlib", "tqdm"),
)


def test_page_of_the_layout_shows_the_compilers_offsets():
    page = layout_tables.PAGE.read_text()
    assert layout_tables.rewritten(page, _simulator.ffi, _simulator.lib) == page, (
        "docs/layout.md differs from layout.h: run tests/tidy/layout_tables.py, then read the prose"
    )


def test_page_of_the_layout_shows_every_struct_and_enum():
    named = {found[1] for found in layout_tables.TABLE.findall(layout_tables.PAGE.read_text())}
    assert named == layout_tables.tables(_simulator.ffi, _simulator.lib).keys()


def test_page_of_the_layout_fails_when_an_offset_is_wrong():
    page = layout_tables.PAGE.read_text()
    wrong = page.replace("| 256 | 4 | `command_epoch`", "| 260 | 4 | `command_epoch`")
    assert wrong != page
    assert layout_tables.rewritten(wrong, _simulator.ffi, _simulator.lib) == page


def test_every_public_name_is_explained_in_the_readme_or_docs():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    missing = [name for name in uerl_shm.__all__ if not re.search(rf"\b{name}\b", text)]
    assert not missing, f"{missing} stand in uerl_shm.__all__ and in no page: explain them in docs/"


def test_every_public_name_exists():
    assert not [name for name in uerl_shm.__all__ if not hasattr(uerl_shm, name)]


def stubbed(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Public names of a stub, those of its classes dotted."""
    names: set[str] = set()
    for node in body:
        name = getattr(node, "name", None)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        if name is not None and not name.startswith("_"):
            names.add(prefix + name)
            if isinstance(node, ast.ClassDef):
                names |= stubbed(node.body, f"{name}.")
    return names


def compiled(thing: Any, prefix: str = "") -> set[str]:
    """Public names of a compiled module, those of its classes dotted."""
    names: set[str] = set()
    for name, value in vars(thing).items():
        if not name.startswith("_") and not inspect.ismodule(value):
            names.add(prefix + name)
            if inspect.isclass(value):
                names |= compiled(value, f"{name}.")
    return names


def test_stub_has_the_names_of_the_compiled_module():
    in_stub, in_module = stubbed(ast.parse(STUB.read_text()).body), compiled(_core)
    assert not in_module - in_stub, f"describe these in uerl_shm/{STUB.name}"
    assert not in_stub - in_module, f"take these out of uerl_shm/{STUB.name}"


def test_importing_the_package_needs_numpy_and_gymnasium_only():
    program = "import json, sys, uerl_shm; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    loaded = set(json.loads(output)) & set(HEAVY)
    assert not loaded, f"`import uerl_shm` loads {sorted(loaded)}: import where it is used"


@pytest.mark.parametrize("name", ["layout.h", "uerl_shm.h"])
def test_packaged_header_is_the_one_of_the_sources(name):
    packaged = ROOT / "uerl_shm/include/uerl_shm" / name
    source = ROOT / "csrc/include/uerl_shm" / name
    assert packaged.read_text() == source.read_text(), f"{name} is stale: run `make build`"
