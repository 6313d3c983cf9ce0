// Copyright (c) 2026 uerl_shm authors. MIT license.

using System.IO;
using UnrealBuildTool;

/** Automation tests of UerlShm. */
public class UerlShmTests : ModuleRules
{
	public UerlShmTests(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		PrivateIncludePaths.Add(Path.Combine(ModuleDirectory, "..", "UerlShm", "Private"));
		PrivateDependencyModuleNames.AddRange(
			new[] { "Core", "CoreUObject", "Engine", "Json", "UerlShm", "UerlShmCore" });
	}
}
