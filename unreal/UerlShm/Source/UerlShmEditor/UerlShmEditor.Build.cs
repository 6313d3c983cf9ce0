// Copyright (c) 2026 uerl_shm authors. MIT license.

using UnrealBuildTool;

/** What is done in the editor: Uerl.BakeColors, for cameras that need no GPU. */
public class UerlShmEditor : ModuleRules
{
	public UerlShmEditor(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		PrivateDependencyModuleNames.AddRange(new[] {
			"AssetRegistry", "Core", "CoreUObject", "Engine", "MaterialBaking", "UerlShm" });
	}
}
