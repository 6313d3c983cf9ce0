"""Rules about Python: floors without cycles, small functions, frameworks in one file each."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch

from tidy.tree import Source, Tree

MAX_FUNCTION_LINES = 60
# A module may import modules of lower floors, and neighbours on its own floor without a cycle.
FLOORS = (
    ("errors",),
    ("_core", "_simulator", "_bin"),
    ("array_spec", "spec", "spec_*", "pictures", "engine_config"),
    ("segment", "segment_*", "region", "region_*"),
    ("launcher", "launcher_*", "describe", "describe_*", "keeper", "simulators", "options"),
    ("rollout", "parts", "output", "transfer", "torch", "onnx_policy"),
    ("vec_env", "vec_*"),
    ("claim",),
    ("learning_agents", "learning_agents_*"),
    (
        "host",
        "host_*",
        "bridge_*",
        "hosted",
        "hosted_*",
        "env",
        "registration",
        "uerl",
        "uerl_*",
        "wrappers",
    ),
    ("minari_data", "recording", "recording_*"),
    ("episode_*",),
    ("integrations", "integrations.*", "ray"),
    ("__init__",),
    ("k8s", "cli", "cli.*", "__main__"),
)
# Imported by one file of their own, so that nobody needs them who does not use them.
FRAMEWORKS = (
    *(
        "torch",
        "ray.rllib",
        "ray.train",
        "ray",
        "stable_baselines3",
        "torchrl",
        "pettingzoo",
        "dm_env",
        "posix_ipc",
    ),
    *("h5py", "minari"),
    *("PIL", "imageio_ffmpeg", "tensorboard"),
    *("onnx", "onnxruntime", "prometheus_client"),
)


def functions_are_small(tree: Tree) -> Iterator[str]:
    """A function fits on a screen; its docstring does not count."""
    for source in tree.matching("*.py"):
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
                if lines > MAX_FUNCTION_LINES:
                    yield (
                        f"{source.path}:{node.lineno} {node.name}() has {lines} lines, expected "
                        f"at most {MAX_FUNCTION_LINES}: give a part of it a name"
                    )


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def modules_stand_on_floors(tree: Tree) -> Iterator[str]:
    """Modules of uerl_shm import downwards only."""
    imports = {_module(s): set(_sibling_imports(s)) for s in tree.matching("uerl_shm/*.py")}
    for module, imported in sorted(imports.items()):
        if _floor(module) is None:
            yield (
                f"uerl_shm/{module} stands on no floor: add it to FLOORS in "
                "tests/tidy/python_rules.py and to ARCHITECTURE.md"
            )
        for other in sorted(imported - {module}):
            above, below = _floor(module), _floor(other)
            if above is not None and below is not None and below > above:
                yield (
                    f"uerl_shm/{module} imports {other}, which is on a higher floor: move the "
                    "shared part down, or the caller up (ARCHITECTURE.md, Floors)"
                )
    for cycle in _cycles(imports):
        yield f"uerl_shm has an import cycle {cycle}: move the shared part to a lower floor"


def _module(source: Source) -> str:
    name = source.path.removeprefix("uerl_shm/").removesuffix(".py").replace("/", ".")
    return name if name == "__init__" else name.removesuffix(".__init__")


def _floor(module: str) -> int | None:
    for floor, patterns in enumerate(FLOORS):
        if any(fnmatch(module, pattern) for pattern in patterns):
            return floor
    return None


def _sibling_imports(source: Source) -> Iterator[str]:
    """Modules of uerl_shm that a module imports, at the top or inside a function."""
    package = _module(source).split(".")
    if source.name != "__init__.py" or package == ["__init__"]:
        package = package[:-1]
    tree = ast.parse(source.text)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "uerl_shm":
                    yield alias.name.partition(".")[2] or "__init__"
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            if base is not None:
                yield from _targets(base, [alias.name for alias in node.names])


def _base(node: ast.ImportFrom, package: list[str]) -> str | None:
    """What `from X import` means inside uerl_shm: "" is the package itself, None is elsewhere."""
    if node.level:
        folder = package[: len(package) - (node.level - 1)]
        return ".".join([*folder, *([node.module] if node.module else [])])
    head, _, rest = (node.module or "").partition(".")
    return rest if head == "uerl_shm" else None


def _targets(base: str, names: list[str]) -> Iterator[str]:
    for name in names:
        inner = f"{base}.{name}" if base else name
        if not base:
            yield name if _floor(name) is not None else "__init__"
        elif base == "cli" and _floor(inner) is not None:
            yield inner
        else:
            yield base


def _cycles(imports: dict[str, set[str]]) -> Iterator[str]:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> Iterator[str]:
        if module in path:
            yield " -> ".join([*path[path.index(module) :], module])
        elif module not in done:
            for other in sorted(imports.get(module, set()) - {module}):
                yield from visit(other, (*path, module))
            done.add(module)

    for module in sorted(imports):
        yield from visit(module, ())


def frameworks_have_one_file(tree: Tree) -> Iterator[str]:
    """torch and the like are each imported by one file of the package; of ray, each library."""
    importers = defaultdict(set)
    for source in tree.matching("uerl_shm/*.py"):
        for node in ast.walk(ast.parse(source.text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for framework in filter(None, map(_framework, names)):
                importers[framework].add(source.path)
    for framework, paths in sorted(importers.items()):
        if len(paths) > 1:
            yield (
                f"{framework} is imported by {', '.join(sorted(paths))}, expected one file: "
                "let the others call that one"
            )


def _framework(module: str) -> str | None:
    """Which framework a module belongs to."""
    return next((f for f in FRAMEWORKS if f"{module}.".startswith(f"{f}.")), None)
