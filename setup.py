"""Builds the native parts of uerl_shm; everything static stands in pyproject.toml.

csrc/core -> uerl_shm/lib/libuerl_shm.a, linked into all that follows
csrc/learner -> uerl_shm/_core (pybind11), uerl_shm.h -> uerl_shm/_simulator (cffi)
csrc/simulators, launch, probe -> uerl_shm/bin, examples/*.py -> uerl_shm/_examples and
k8s/ -> uerl_shm/_k8s (in a wheel)
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# No -march=native: a wheel runs on other machines than the one that built it.
FLAGS = ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-MMD"]
LINK, STATIC = ["-pthread", "-Wl,--strip-debug"], ["-static", "-s"]  # the probe is for any image
if SANITIZE := os.environ.get("UERL_SANITIZE", ""):  # such as "address,undefined"
    FLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-UNDEBUG"]
    LINK, STATIC = ["-pthread", f"-fsanitize={SANITIZE}"], []
STANDARD = {".c": "-std=c17", ".cpp": "-std=c++17"}
INCLUDES = ["csrc/include", "csrc", pybind11.get_include()]
EXECUTABLES = {"uerl-sim": "simulators", "uerl-launch": "launch", "uerl-shm-probe": "probe"}
CORE = Extension("uerl_shm._core", [], language="c++", extra_link_args=LINK)


def is_stale(target: Path) -> bool:
    listed = target.with_suffix(".d")  # what the compiler read (-MMD)
    read = listed.read_text().replace("\\\n", " ").split()[1:] if listed.exists() else [listed]
    paths = [target, *read, "setup.py"]
    return any(not os.path.exists(p) or os.stat(p).st_mtime > target.stat().st_mtime for p in paths)


class BuildNative(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        tag = f"{self.plat_name}-{sys.implementation.cache_tag}"
        self.build_temp = f"build/native-{tag}-{SANITIZE or 'release'}"

    def build_extensions(self) -> None:
        library = Path(self.build_temp, "libuerl_shm.a")
        library.unlink(missing_ok=True)  # `ar` keeps the objects of sources that are gone
        self.compiler.create_static_lib(self.objects("core"), "uerl_shm", self.build_temp)
        for extension in self.extensions:
            objects = self.objects("learner") if extension is CORE else []
            extension.depends = extension.extra_objects = [*objects, str(library)]
        for name, folder in EXECUTABLES.items():
            link = {"extra_postargs": LINK + STATIC * (folder == "probe"), "target_lang": "c++"}
            objects = [*self.objects(folder), str(library)]
            self.compiler.link_executable(objects, name, self.build_temp, **link)
        super().build_extensions()

    def run(self) -> None:
        super().run()
        built = Path(self.build_temp)
        parts = {"bin": [built / name for name in EXECUTABLES], "lib": [built / "libuerl_shm.a"]}
        parts["include/uerl_shm"] = list(Path("csrc/include/uerl_shm").glob("*.h"))
        parts["_examples"] = [] if self.inplace else list(Path("examples").glob("*.py"))
        for file in [] if self.inplace else Path("k8s").rglob("*.*"):
            if file.suffix in (".yaml", ".json"):
                parts.setdefault(f"_{file.parent}", []).append(file)
        for folder, files in parts.items():
            for file in files:
                target = Path("." if self.inplace else self.build_lib, "uerl_shm", folder)
                self.mkpath(str(target))
                self.copy_file(str(file), str(target))

    def compiled(self, source: Path) -> str:
        target = Path(self.build_temp, source).with_suffix(".o")
        if is_stale(target):
            args = {"include_dirs": INCLUDES, "extra_postargs": [*FLAGS, STANDARD[source.suffix]]}
            self.compiler.compile([str(source)], self.build_temp, **args)
        return str(target)

    def objects(self, folder: str) -> list[str]:
        sources = [p for p in Path("csrc", folder).glob("*.c*") if p.suffix in STANDARD]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self.compiled, sorted(sources)))


modules = ["csrc/simulator_cffi.py:ffibuilder"]
setup(ext_modules=[CORE], cffi_modules=modules, cmdclass={"build_ext": BuildNative})
