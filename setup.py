"""Builds the native parts of uerl_shm; everything static stands in pyproject.toml.

csrc/core -> uerl_shm/lib/libuerl_shm.a, linked into all that follows
csrc/learner -> uerl_shm/_core (pybind11)
uerl_shm.h -> uerl_shm/_simulator (cffi, declared by csrc/simulator_cffi.py)
csrc/simulators, csrc/launch -> uerl_shm/bin/uerl-{sim,launch}
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# No -march=native: a wheel runs on other machines than the one that built it.
FLAGS = ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra"]
LINK = ["-pthread", "-Wl,--strip-debug"]
if SANITIZE := os.environ.get("UERL_SANITIZE", ""):  # such as "address,undefined"
    FLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-UNDEBUG"]
    LINK = ["-pthread", f"-fsanitize={SANITIZE}"]
EXECUTABLES = {"uerl-sim": "simulators", "uerl-launch": "launch"}
STANDARD = {".c": "-std=c17", ".cpp": "-std=c++17"}
INCLUDES = ["csrc/include", "csrc", pybind11.get_include()]


class BuildNative(build_ext):
    """Compiles C and C++ with their own flags, and only what changed."""

    def finalize_options(self) -> None:
        super().finalize_options()
        tag = f"{self.plat_name}-{sys.implementation.cache_tag}-{SANITIZE.replace(',', '-')}"
        self.build_temp = f"build/native-{tag.rstrip('-')}"

    def build_extensions(self) -> None:
        library = Path(self.build_temp, "libuerl_shm.a")
        library.unlink(missing_ok=True)  # `ar` keeps the objects of sources that are gone
        self.compiler.create_static_lib(self.objects("core"), "uerl_shm", self.build_temp)
        for extension in self.extensions:
            objects = self.objects("learner") if extension.name == "uerl_shm._core" else []
            extension.depends = extension.extra_objects = [*objects, str(library)]
        for name, folder in EXECUTABLES.items():
            if not any("int main(" in p.read_text() for p in Path("csrc", folder).glob("*.c*")):
                Path(self.build_temp, name).write_text("")
                continue
            args = {"output_dir": self.build_temp, "extra_postargs": LINK, "target_lang": "c++"}
            self.compiler.link_executable([*self.objects(folder), str(library)], name, **args)
        super().build_extensions()

    def run(self) -> None:
        super().run()
        built = Path(self.build_temp)
        parts = {"bin": [built / name for name in EXECUTABLES], "lib": [built / "libuerl_shm.a"]}
        parts["include/uerl_shm"] = list(Path("csrc/include/uerl_shm").glob("*.h"))
        for folder, files in parts.items():
            target = Path("." if self.inplace else self.build_lib, "uerl_shm", folder)
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                self.copy_file(str(file), str(target / file.name))

    def objects(self, folder: str) -> list[str]:
        newest = max(p.stat().st_mtime for p in [*Path("csrc").rglob("*.h*"), Path("setup.py")])

        def compile_one(source: Path) -> str:
            target = Path(self.build_temp, source).with_suffix(".o")
            if not target.exists() or target.stat().st_mtime < max(newest, source.stat().st_mtime):
                args = {"output_dir": self.build_temp, "include_dirs": INCLUDES}
                flags = [*FLAGS, STANDARD[source.suffix]]
                self.compiler.compile([str(source)], **args, extra_postargs=flags)
            return str(target)

        sources = sorted(p for p in Path("csrc", folder).glob("*.c*") if p.suffix in STANDARD)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(compile_one, sources))


setup(
    ext_modules=[Extension("uerl_shm._core", [], language="c++", extra_link_args=LINK)],
    cffi_modules=["csrc/simulator_cffi.py:ffibuilder"],
    cmdclass={"build_ext": BuildNative},
)
