// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class FJsonObject;
class UUerlAgentComponent;

/** Agents that have the same arrays, and so are rows of one group. */
struct FUerlGroup
{
	FString Name;
	TArray<UUerlAgentComponent*> Agents;
};

/** What a learner must know of a level before the segment exists (docs/spec.md). */
namespace UerlSpec
{
	/** Sorts agents into groups by name; agents of a group that differ are problems. */
	TArray<FUerlGroup> MakeGroups(
		const TArray<UUerlAgentComponent*>& Agents, TArray<FString>& OutProblems);

	/** The spec as JSON text. */
	FString ToJson(const FString& Name, const TArray<FUerlGroup>& Groups,
		const TMap<FName, double>& Parameters);
} // namespace UerlSpec
