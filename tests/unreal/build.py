"""Builds the plugin's own sources against the shim: the engine's header tool and build in small.

    build.py [--mutant NAME] [--sanitize address] [--out FOLDER]

Prints the path of the program. Every include of the plugin that is not its own becomes a header
that includes the shim, so the shim cannot show that an include is the right one, nor that it is
missing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLUGIN = ROOT / "unreal" / "UerlShm" / "Source" / "UerlShm"
SHIM = HERE / "shim"
PRECOMPILED = "Precompiled.h"
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
CLASS = re.compile(
    r"^(?P<what>UCLASS|USTRUCT)\((?P<options>.*?)\)\s*\n(?:class|struct)\s+(?:UERLSHM_API\s+)?"
    r"(?P<name>\w+)(?:\s*:\s*public\s+(?P<base>\w+))?[^;{]*\{\s*\n\s*GENERATED_BODY\(\)",
    re.MULTILINE,
)
EVENT = re.compile(
    r"UFUNCTION\((?P<options>[^\n]*)\)\s*\n\s*(?P<type>[\w<>\*& ]+?)\s+(?P<name>\w+)"
    r"\((?P<parameters>[^;]*)\)( const)?;"
)
#: Seeded bugs: file, text, what stands there instead.
MUTANTS = {
    "commit_early": (
        "UerlCommit.cpp",
        "if (NumParts.fetch_sub(1, std::memory_order_acq_rel) == 1)",
        "NumParts = 0;\n\tif (!Sent->Wait(FTimespan::Zero()))",
    ),
    "ignore_pitch": ("UerlReadback.cpp", "static_cast<uint64>(RowPitchInPixels) * 4", "Width * 4"),
    "ignore_exit": (
        "UerlSimulatorSubsystem.cpp",
        "while (!IsEngineExitRequested())",
        "while (true)",
    ),
}
WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-maybe-uninitialized", "-Werror"]


def sources(out: Path) -> Path:
    """Copy the plugin's sources into one folder, as includes expect them; return it."""
    folder = out / "plugin"
    for module in (PLUGIN, PLUGIN.with_name("UerlShmTests")):
        for path in sorted(module.rglob("*.h")) + sorted(module.rglob("*.cpp")):
            write(folder / path.name, path.read_text())
    return folder


def write(path: Path, text: str) -> None:
    """Write a file only if it changes, so that only what changed is compiled again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def names(parameters: str) -> str:
    """Return the names of parameters, as a call has them."""
    split, depth, word = [], 0, ""
    for letter in re.sub(r"UPARAM\(\w+\)", "", parameters) + ",":
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            split.append(word)
            word = ""
        else:
            word += letter
    return ", ".join(re.findall(r"\w+", one)[-1] for one in split if one.strip())


def events(name: str, body: str) -> tuple[str, list[str]]:
    """Return the declarations and bodies that Blueprint events of a class get."""
    declared, defined = "", []
    for event in EVENT.finditer(body):
        options, kind, called = event["options"], event["type"].strip(), event["name"]
        head = f"{kind} {name}::{called}({event['parameters']})"
        if "BlueprintNativeEvent" in options:
            declared += f"public: virtual {kind} {called}_Implementation({event['parameters']}); "
            call = f"{called}_Implementation({names(event['parameters'])})"
            defined.append(f"{head} {{ return {call}; }}")
        elif "BlueprintImplementableEvent" in options:
            defined.append(f"{head} {{ return {kind}(); }}")
    return declared, defined


def class_body(name: str, base: str, declared: str) -> str:
    """Return what GENERATED_BODY() stands for; what follows it is private."""
    return (
        f"public: using Super = {base}; using ThisClass = {name}; static UClass *StaticClass(); "
        f"UClass *GetClass() const override {{ return StaticClass(); }} {declared} private:"
    )


def static_class(name: str, base: str, options: str) -> str:
    """Return the definition of a class's StaticClass(), and what registers it."""
    flags = "CLASS_Abstract" if re.search(r"\bAbstract\b", options) else "0"
    return (
        f"UClass *{name}::StaticClass() {{ static UClass *Class = ShimMakeClass("
        f'u"{name[1:]}", {base}::StaticClass(), {flags}, '
        f"[]() -> UObject * {{ return new {name}; }}); return Class; }}\n"
        f"static const ShimRegistrar Registrar{name}(&{name}::StaticClass);"
    )


def generated(header: Path, folder: Path) -> str:
    """Write what the header tool would; return the source text that belongs to it."""
    text = header.read_text()
    file_id = f"FID_{header.stem}_h"
    made, source = [], [f'#include "{header.name}"']
    for match in CLASS.finditer(text):
        line = text.count("\n", 0, match.end()) + 1
        macro = f"#define {file_id}_{line}_GENERATED_BODY"
        if match["what"] == "USTRUCT":
            made.append(f"{macro}")
            continue
        following = CLASS.search(text, match.end())
        body = text[match.end() : following.start() if following else len(text)]
        declared, defined = events(match["name"], body)
        made.append(f"{macro} {class_body(match['name'], match['base'], declared)}")
        source += [*defined, static_class(match["name"], match["base"], match["options"])]
    head = f"#undef CURRENT_FILE_ID\n#define CURRENT_FILE_ID {file_id}\n"
    write(folder / f"{header.stem}.generated.h", head + "\n".join(made) + "\n")
    return "\n".join(source) + "\n"


def forward(headers: list[Path], folder: Path) -> None:
    """Make a header for every include that is neither the plugin's nor the core's."""
    own = {path.name for path in [*headers, *SHIM.iterdir()]}
    for path in headers:
        for name in INCLUDE.findall(path.read_text()):
            if name.startswith("uerl_shm/") or name in own or name.endswith(".generated.h"):
                continue
            write(folder / name, '#pragma once\n#include "Shim.h"\n')


def compile_one(job: tuple[list[str], Path, Path]) -> Path:
    """Compile a file if anything it includes is newer."""
    command, source, target = job
    needed = target.with_suffix(".d")
    if target.exists() and needed.exists():
        inputs = needed.read_text().replace("\\\n", " ").split(":", 1)[1].split()
        newest = max((os.stat(path).st_mtime for path in inputs if os.path.exists(path)), default=0)
        if newest < target.stat().st_mtime:
            return target
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, "-MMD", "-c", str(source), "-o", str(target)], check=True)
    return target


class Compiler:
    """Command lines for what is built into one folder."""

    def __init__(self, out: Path, plugin: Path, sanitize: str | None) -> None:
        made, core = out / "generated", ROOT / "csrc" / "core"
        flags = ["-g", "-O2", *([f"-fsanitize={sanitize}"] if sanitize else [])]
        public = f"-I{ROOT / 'csrc' / 'include'}"
        include = [f"-I{root}" for root in (made, plugin, SHIM, HERE / "game")]
        cxx = os.environ.get("CXX", "g++")
        self.cxx = [cxx, "-std=c++20", *flags, *WARNINGS, *include, public, "-include", PRECOMPILED]
        self.c = [os.environ.get("CC", "gcc"), "-std=c17", *flags, public, f"-I{core}"]
        self.objects = out / "o"
        self.precompiled = made / f"{PRECOMPILED}.gch"

    def job(self, path: Path) -> tuple[list[str], Path, Path]:
        """How a source is compiled, and into what."""
        if path.suffix == ".c":
            return self.c, path, self.objects / f"core_{path.stem}.o"
        return self.cxx, path, self.objects / f"{path.stem}.o"

    def link(self, objects: list[Path], program: Path) -> Path:
        """Link if anything is newer than the program; return it."""
        newest = max(path.stat().st_mtime for path in objects)
        if not program.exists() or program.stat().st_mtime < newest:
            command = [*self.cxx[:1], *self.cxx[2:5], *map(str, objects), "-o", str(program)]
            subprocess.run([*command, "-pthread", "-lrt"], check=True)
        return program


def prepare(out: Path) -> tuple[Path, list[Path]]:
    """Copy and generate; return the plugin's folder, and every source to be compiled."""
    plugin, made = sources(out), out / "generated"
    own = [*sorted(plugin.iterdir()), *sorted(SHIM.iterdir()), *sorted(HERE.glob("game/*"))]
    bodies = [
        generated(header, made)
        for header in own
        if header.suffix == ".h" and "GENERATED_BODY()" in header.read_text()
    ]
    write(made / "Generated.cpp", "".join(bodies))
    forward([*plugin.iterdir(), *HERE.glob("game/*")], made)
    paths = [path for path in own if path.suffix == ".cpp"]
    return plugin, [*paths, made / "Generated.cpp", *sorted((ROOT / "csrc" / "core").glob("*.c"))]


def build(out: Path, mutant: str | None = None, sanitize: str | None = None) -> Path:
    """Build the stand-in engine with the plugin in it; return the program's path.

    A mutant is the same program with one source of another text.

    Raises:
        subprocess.CalledProcessError: It does not compile; the compiler has said why.
    """
    plugin, paths = prepare(out)
    compiler = Compiler(out, plugin, sanitize)
    without = [word for word in compiler.cxx if word not in ("-include", PRECOMPILED)]
    header = out / "generated" / PRECOMPILED
    write(header, '#include "Shim.h"\n')
    compile_one(([*without, "-x", "c++-header"], header, compiler.precompiled))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, map(compiler.job, paths)))
    if mutant is None:
        return compiler.link(objects, out / "shim_engine")
    name, text, instead = MUTANTS[mutant]
    source = (plugin / name).read_text()
    if text not in source:
        sys.exit(f"mutant {mutant} does not fit {name}, expected its text there")
    changed = out / mutant / name
    write(changed, source.replace(text, instead))
    objects.remove(compiler.job(plugin / name)[2])
    objects.append(compile_one((compiler.cxx, changed, changed.with_suffix(".o"))))
    return compiler.link(objects, out / mutant / "shim_engine")


def main() -> None:
    """Build and print the program's path."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    parser.add_argument("--sanitize")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or ROOT / "build" / "unreal" / (options.sanitize or "plain")
    print(build(out, options.mutant, options.sanitize))


if __name__ == "__main__":
    main()
