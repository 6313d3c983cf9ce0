// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class AActor;
class FJsonObject;
class UUerlAgentComponent;
class UWorld;

/** The agents of a level: those placed in it, and those that a configuration asks for. */
namespace UerlLevel
{
	/** The agents that are there, by name. */
	TArray<UUerlAgentComponent*> FindAgents(UWorld& World);

	/**
	 * Spawns the agents of a configuration ("agent_configs", UERL's keys).
	 *
	 * @param OutActors    What was spawned, for the caller to destroy.
	 * @param OutProblems  Every name that is not found.
	 */
	void SpawnAgents(UWorld& World, const FJsonObject& Engine,
		TArray<TObjectPtr<AActor>>& OutActors, TArray<FString>& OutProblems);
} // namespace UerlLevel
