// Copyright (c) 2026 uerl_shm authors. MIT license.

using UnrealBuildTool;

/** The simulator's side of uerl_shm in an Unreal project. */
public class UerlShm : ModuleRules
{
	public UerlShm(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine", "Json" });
		PrivateDependencyModuleNames.AddRange(
			new[] { "InputCore", "NNE", "PhysicsCore", "Projects", "RHI", "RenderCore", "Sockets",
				"UerlShmCore" });
	}
}
