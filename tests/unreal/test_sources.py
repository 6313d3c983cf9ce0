"""The plugin's sources as an engine's build sees them, as far as that can be seen without one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import build as shim_build

PLUGIN = shim_build.ROOT / "unreal" / "UerlShm"
SOURCES = sorted(
    path
    for path in (PLUGIN / "Source").rglob("*")
    if path.suffix in {".h", ".cpp"} and "ThirdParty" not in path.parts
)
OWN = {path.name for path in SOURCES}
#: Modules and their public headers, as in engine 5; those that few projects include were looked
#: up in its sources.
MODULES = {
    "AssetRegistry": "AssetRegistry/AssetRegistryModule.h",
    "Core": """
        Async/Async.h Async/ParallelFor.h CoreGlobals.h CoreMinimal.h HAL/CriticalSection.h
        HAL/Event.h HAL/FileManager.h HAL/IConsoleManager.h HAL/PlatformMemory.h
        HAL/PlatformMisc.h HAL/PlatformTime.h HAL/Runnable.h HAL/RunnableThread.h
        HAL/ThreadHeartBeat.h Misc/App.h Misc/AutomationTest.h
        Misc/CommandLine.h Misc/CoreDelegates.h Misc/Crc.h Misc/EngineVersionComparison.h
        Misc/FileHelper.h Misc/Guid.h Misc/Parse.h Misc/Paths.h Misc/ScopeLock.h
        Modules/ModuleManager.h Serialization/Archive.h Tasks/Task.h""",
    "CoreUObject": """
        Misc/PackageName.h UObject/Class.h UObject/Object.h UObject/ObjectKey.h UObject/Package.h
        UObject/SavePackage.h UObject/UObjectHash.h UObject/WeakObjectPtr.h""",
    "Engine": """
        CollisionQueryParams.h Components/ActorComponent.h Components/PrimitiveComponent.h
        Components/SceneCaptureComponent2D.h Components/SceneComponent.h Engine/CollisionProfile.h
        Engine/DataAsset.h Engine/Engine.h Engine/EngineBaseTypes.h Engine/EngineTypes.h
        Engine/GameViewportClient.h Engine/HitResult.h Engine/TextureRenderTarget2D.h
        Engine/World.h EngineUtils.h GameFramework/Actor.h GameFramework/Character.h
        GameFramework/Pawn.h GameFramework/PawnMovementComponent.h
        GameFramework/PlayerController.h GameFramework/PlayerState.h
        GameFramework/WorldSettings.h
        Materials/MaterialInstanceDynamic.h Materials/MaterialInterface.h
        PhysicsEngine/PhysicsSettings.h Subsystems/WorldSubsystem.h TextureResource.h
        UnrealClient.h""",
    "InputCore": "InputCoreTypes.h",
    "Json": """
        Dom/JsonObject.h Dom/JsonValue.h Serialization/JsonReader.h Serialization/JsonSerializer.h
        Serialization/JsonWriter.h""",
    "MaterialBaking": "IMaterialBakingModule.h MaterialBakingStructures.h",
    "NNE": "NNE.h NNEModelData.h NNERuntimeCPU.h",
    "RHI": "RHIGPUReadback.h",
    "RenderCore": "RenderingThread.h",
    "Sockets": "AddressInfoTypes.h IPAddress.h SocketSubsystem.h Sockets.h",
    "UerlShmCore": "uerl_shm/bridge.h uerl_shm/layout.h uerl_shm/uerl_shm.h",
}
MODULE_OF = {name: module for module, names in MODULES.items() for name in names.split()}


def module_folder(path: Path) -> Path:
    """The folder of the module that a source belongs to."""
    return PLUGIN / "Source" / path.relative_to(PLUGIN / "Source").parts[0]


def depends_on(folder: Path) -> set[str]:
    """The modules that a Build.cs names."""
    (rules,) = folder.glob("*.Build.cs")
    lists = re.findall(r"DependencyModuleNames\.AddRange\((.*?)\);", rules.read_text(), re.DOTALL)
    return set(re.findall(r'"(\w+)"', " ".join(lists)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_include_is_of_a_module_that_the_build_file_names(path):
    modules = depends_on(module_folder(path))
    for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
        if Path(name).name in OWN or name.endswith(".generated.h"):
            continue
        assert name in MODULE_OF, f"{name} is not in MODULES: look it up in an engine's sources"
        assert MODULE_OF[name] in modules, f"{name} needs {MODULE_OF[name]}: name it in Build.cs"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_header_of_classes_includes_its_generated_one_last(path):
    includes = re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE)
    generated = [name for name in includes if name.endswith(".generated.h")]
    if path.suffix == ".h" and "GENERATED_BODY()" in path.read_text():
        assert generated == [f"{path.stem}.generated.h"]
        assert includes[-1] == generated[0]
    else:
        assert not generated


def test_the_plugin_file_names_modules_that_exist_and_the_systems_they_are_for():
    plugin = json.loads((PLUGIN / "UerlShm.uplugin").read_text())
    assert plugin["FileVersion"] == 3
    for module in plugin["Modules"]:
        assert module["PlatformAllowList"] == ["Linux", "LinuxArm64"]
        assert list((PLUGIN / "Source").rglob(f"{module['Name']}.Build.cs")), module["Name"]


def test_all_sources_compile_as_one_with_clang(engine, tmp_path):
    # An engine's build joins sources by default: names of one file must not meet another's.
    clang = shutil.which("clang++-14")
    if clang is None:
        pytest.skip("clang++-14 is not there")
    made = engine.parent
    joined = tmp_path / "joined.cpp"
    sources = [made / "plugin" / path.name for path in SOURCES if path.suffix == ".cpp"]
    joined.write_text("".join(f'#include "{path}"\n' for path in sources if path.exists()))
    roots = [made / "plugin", shim_build.ROOT / "csrc" / "include"]
    systems = [shim_build.SHIM, made / "generated"]  # their warnings are not the plugin's
    include = [*(f"-I{root}" for root in roots), *(f"-isystem{root}" for root in systems)]
    flags = ["-std=c++20", "-Wall", "-Wextra", "-Wshadow", "-Wno-unused-parameter", "-Werror"]
    command = [clang, "-fsyntax-only", *flags, *include]
    done = subprocess.run([*command, str(joined)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_sources_are_formatted_in_epics_manner():
    clang_format = shutil.which("clang-format", path=f"{sys.prefix}/bin") or shutil.which(
        "clang-format"
    )
    if clang_format is None:
        pytest.skip("clang-format is not there")
    files = list(map(str, SOURCES))
    done = subprocess.run(
        [clang_format, "--dry-run", "-Werror", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
