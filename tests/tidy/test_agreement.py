"""What is said in several places is the same everywhere: layout, stubs, public names, imports."""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import re
import subprocess
import sys
from itertools import zip_longest
from typing import Any

import pytest

import uerl_shm
from tidy import layout_tables, python_rules
from tidy.tree import ROOT
from uerl_shm import _core, _simulator, errors

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


def test_page_of_the_errors_agrees_with_c_and_python():
    header = (ROOT / "csrc/include/uerl_shm/uerl_shm.h").read_text()
    codes = {name: int(code) for name, code in re.findall(r"(UERL_E_\w+) = (-\d+)", header)}
    page = (ROOT / "docs/errors.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \((-\d+)\) \| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE)
    assert {name: int(code) for name, code, _, _ in rows} == codes
    for _, code, python_name, built_in in rows:
        side = "simulator" if python_name == "LearnerClosed" else "learner"
        error = errors.error_from_code(int(code), "text", side=side)
        assert type(error).__name__ == python_name
        assert isinstance(error, getattr(builtins, built_in))


def unexplained(names: list[str], pages: str) -> list[str]:
    return [name for name in names if not re.search(rf"\b{name}\b", pages)]


def test_every_public_name_is_explained_in_the_readme_or_docs():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    missing = unexplained(uerl_shm.__all__, "\n".join(page.read_text() for page in pages))
    assert not missing, f"{missing} stand in uerl_shm.__all__ and in no page: explain them in docs/"


def test_name_without_a_page_is_found():
    assert unexplained(["VecEnv", "Env"], "all about VecEnv") == ["Env"]


def test_every_public_name_exists():
    assert not [name for name in uerl_shm.__all__ if not hasattr(uerl_shm, name)]


def stubbed(body: list[ast.stmt], prefix: str = "") -> dict[str, list[str]]:
    """Public names of a stub with their parameters; those of classes dotted."""
    names: dict[str, list[str]] = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            names |= {node.name: []} | stubbed(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            names[prefix + node.name] = parameters(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[prefix + node.target.id] = []
    return names


def parameters(function: ast.FunctionDef) -> list[str]:
    """Names of what a function takes."""
    takes = function.args
    arguments = takes.posonlyargs + takes.args + takes.kwonlyargs
    return [argument.arg for argument in arguments if argument.arg != "self"]


def compiled(thing: Any, prefix: str = "") -> dict[str, list[str]]:
    """The same of a compiled module: pybind11 writes signatures into docstrings."""
    names: dict[str, list[str]] = {}
    for name, value in vars(thing).items():
        if inspect.isclass(value):
            names |= {name: []} | compiled(value, f"{name}.")
        elif name == "__init__" or not (name.startswith("_") or inspect.ismodule(value)):
            line = (inspect.getdoc(value) or "").partition("\n")[0]
            ours = callable(value) and line.startswith(f"{name}(")
            node = ast.parse(f"def {line}: ...").body[0] if ours else None
            names[prefix + name] = parameters(node) if isinstance(node, ast.FunctionDef) else []
    return names


def stub_faults(stub: str) -> list[str]:
    """Where a stub differs from the compiled module, and what to do."""
    in_stub, in_module = stubbed(ast.parse(stub).body), compiled(_core)
    faults = [f"{name} is compiled: describe it" for name in in_module.keys() - in_stub.keys()]
    faults += [f"{name} is not compiled: take it out" for name in in_stub.keys() - in_module.keys()]
    for name in in_stub.keys() & in_module.keys():
        # pybind11 calls an argument arg0 that was given no name: then the stub's name is free.
        expected = [
            mine if re.fullmatch(r"arg\d+", theirs) else theirs
            for mine, theirs in zip_longest(in_stub[name], in_module[name], fillvalue="")
        ]
        if in_stub[name] != expected:
            faults.append(f"{name} takes {in_stub[name]}, the compiled one {expected}: correct it")
    return faults


def test_stub_has_the_names_and_parameters_of_the_compiled_module():
    faults = stub_faults(STUB.read_text())
    assert not faults, f"uerl_shm/{STUB.name}: {faults}"


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        ("def num_torn(", "def num_whole(", 2),
        ("def num_cores(", "def num_cores(all: bool", 1),
        ("def recv(\n        self, min_envs", "def recv(\n        self, least", 1),
    ],
)
def test_stub_that_differs_is_found(old, new, faults):
    stub = STUB.read_text()
    assert old in stub
    assert len(set(stub_faults(stub.replace(old, new))) - set(stub_faults(stub))) == faults


def heavy_imports(statement: str) -> set[str]:
    """Of the packages that not everybody needs, those that a statement loads."""
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    return set(json.loads(output)) & set(HEAVY)


def test_importing_the_package_needs_numpy_and_gymnasium_only():
    loaded = heavy_imports("import uerl_shm")
    assert not loaded, f"`import uerl_shm` loads {sorted(loaded)}: import where it is used"


def test_import_of_a_heavy_package_is_found():
    assert heavy_imports("import uerl_shm, tqdm") == {"tqdm"}


@pytest.mark.parametrize("name", ["layout.h", "uerl_shm.h", "bridge.h"])
def test_packaged_header_is_the_one_of_the_sources(name):
    packaged = ROOT / "uerl_shm/include/uerl_shm" / name
    source = ROOT / "csrc/include/uerl_shm" / name
    assert packaged.read_text() == source.read_text(), f"{name} is stale: run `make build`"
