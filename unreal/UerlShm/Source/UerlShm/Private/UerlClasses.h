// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class FJsonObject;
class UClass;

/** Finds classes by the names that configurations use. */
namespace UerlClasses
{
	/**
	 * Finds a part's class: by kind ("ray_fan"), by class name, or by the path of a Blueprint.
	 *
	 * UERL's "camera" is "camera_gpu" where the settings say use_gpu, else "camera_cpu".
	 *
	 * @param Base        What it must derive from.
	 * @param OutProblem  Names every kind that is known, when it is not found.
	 */
	UClass* FindPart(
		UClass* Base, const FString& Kind, const FJsonObject& Settings, FString& OutProblem);

	/** Finds an actor's class by name or by the path of a Blueprint; null: OutProblem says why. */
	UClass* FindActorClass(const FString& Name, FString& OutProblem);
} // namespace UerlClasses
