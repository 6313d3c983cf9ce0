// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class FJsonObject;
class UClass;
class UUerlAgentComponent;
class UUerlPart;

/** Finds classes by the names that configurations use. */
namespace UerlClasses
{
	/**
	 * Finds a part's class: by kind ("ray_fan"), by class name, or by the path of a Blueprint.
	 *
	 * UERL's "camera" and "spectator_camera" are "camera_gpu" where the settings say use_gpu, else
	 * "camera_cpu".
	 *
	 * @param Base        What it must derive from.
	 * @param OutProblem  Names every kind that is known, when it is not found.
	 */
	UClass* FindPart(
		UClass* Base, const FString& Kind, const FJsonObject& Settings, FString& OutProblem);

	/**
	 * Makes the part of an agent that an entry of its configuration asks for; null: OutProblem says
	 * why. An info may be any sensor.
	 *
	 * @param Base      What it must derive from, such as UUerlRewarder.
	 * @param Settings  The entry; its parts are not read, but for "ue_class_name" and "use_gpu".
	 */
	UUerlPart* MakePart(
		UUerlAgentComponent& Agent, UClass* Base, const FJsonObject& Settings, FString& OutProblem);

	/** Finds an actor's class by name or by the path of a Blueprint; null: OutProblem says why. */
	UClass* FindActorClass(const FString& Name, FString& OutProblem);
} // namespace UerlClasses
