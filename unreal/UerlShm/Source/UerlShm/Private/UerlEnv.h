// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlRows.h"
#include "UerlSpec.h"

class AActor;
class FUerlCommit;
class UUerlAgentComponent;
class UWorld;
struct uerl_simulator;

/** The level as one env: its agents, and where their rows are. */
class FUerlEnv
{
public:
	explicit FUerlEnv(UWorld& World);

	/** The spec of the agents that are placed in the level; problems are added to a list. */
	FString Describe(TArray<FString>& OutProblems);

	/**
	 * Makes the level what the learner's segment asks for: spawns agents, finds their arrays, sets
	 * the engine's frame rate and quality.
	 *
	 * @param OutProblems  Everything that does not fit; empty: the env can be served.
	 */
	void Prepare(uerl_simulator* Simulator, TArray<FString>& OutProblems);

	/** The agents in the order of their rows. */
	TArray<UUerlAgentComponent*> GetAgents() const;

	/** What the learner's command brings to a reset; bOwn: SAME_STEP resets by itself. */
	FUerlReset ReadReset(bool bOwn, const FString& Options) const;

	/** Resets every agent. */
	void Reset(const FUerlReset& What);

	/** Hands every agent its action. */
	void Act() const;

	/** Adds up rewards and ends after a tick; writes them. */
	void FinishTick(float DeltaSeconds);

	/** Copies what was observed for agents that decide themselves. */
	void Remember() const
	{
		Rows.Remember();
	}

	/** Writes every agent's observation. */
	void Observe(bool bFinal, bool bFirst, const TSharedRef<FUerlCommit>& Commit);

	/** Writes rewards and ends. */
	void WriteOutcomes() const;

	/** Pauses the world, if it has a player, or lets it go on. */
	void SetPaused(bool bPaused);

	/** Whether every agent's episode has ended, or none has begun. */
	bool HasEnded() const
	{
		return bEnded;
	}

	/** Whether an agent's episode has just ended. */
	bool HasAnyEnded() const
	{
		return bAnyEnded;
	}

private:
	void SpawnAgents(const class FJsonObject& Engine, TArray<FString>& OutProblems);

	UWorld& World;
	uerl_simulator* Simulator = nullptr;
	FUerlRows Rows;
	TArray<FUerlGroup> Groups;
	TArray<TWeakObjectPtr<AActor>> SpawnedActors;
	bool bEnded = true;
	bool bAnyEnded = false;
	int64 Step = 0;
};
