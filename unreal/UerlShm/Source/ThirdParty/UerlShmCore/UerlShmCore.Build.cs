// Copyright (c) 2026 uerl_shm authors. MIT license.

using System.IO;
using UnrealBuildTool;

/** The C core of uerl_shm, copied here by `make unreal`: libc only, nothing of the engine. */
public class UerlShmCore : ModuleRules
{
	public UerlShmCore(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.NoPCHs;
		bUseUnity = false;
		PublicIncludePaths.Add(Path.Combine(ModuleDirectory, "include"));
		PrivateIncludePaths.Add(Path.Combine(ModuleDirectory, "core"));
		PublicDependencyModuleNames.Add("Core");
	}
}
