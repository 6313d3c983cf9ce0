// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UObject/WeakObjectPtr.h"

class FUerlCommit;
class UUerlAgentComponent;
class UUerlPolicyComponent;
class UWorld;

/**
 * Steps the agents whose policy is not External, in a world without a learner.
 *
 * As with a learner: they decide at the start of a tick, on what they saw at the end of the one
 * before; rewards and ends are added up at its end. When all of them have ended, the level and
 * they are reset. An agent whose mode leaves External begins with a reset of its own. Agents are
 * looked for at the first tick, at each reset of the level, and after a policy's BeginPlay.
 */
class FUerlPlay
{
public:
	/** @param OnReset  Puts the level where it should be; agents are reset after it. */
	FUerlPlay(UWorld& World, TFunction<void(const FUerlReset&)> OnReset);

	/** Closes the files of demonstrations. */
	~FUerlPlay();

	/** Lets agents decide. */
	void StartTick();

	/** Finishes the step that StartTick() began; observes. */
	void FinishTick(float DeltaSeconds);

private:
	struct FPlayer
	{
		TWeakObjectPtr<UUerlAgentComponent> Agent;
		TWeakObjectPtr<UUerlPolicyComponent> Policy;
		bool bPlays = false;
		bool bRefused = false;
		bool bActed = false;
		bool bHasEnded = false;

		/** An episode's last observation, until its pictures are there; otherwise empty. */
		TArray<TArray<uint8>> Last;
	};

	void FindPlayers();
	void RemoveLost();
	void UpdatePlayers();
	bool BeginPlaying(FPlayer& Player);
	void ResetPlayers();
	void ApplySettings(const FPlayer& Player);
	bool WaitForPictures();
	void RecordLast();
	void Observe(const FPlayer& Player, TArray<TArray<uint8>>& Rows, bool bFirst, bool bFinal);
	TSharedRef<FUerlCommit> GetCommit();
	void FinishObserving();

	UWorld& World;
	TFunction<void(const FUerlReset&)> OnReset;
	TArray<FPlayer> Players;
	TSharedPtr<FUerlCommit> Commit;
	int64 Step = 0;
	int32 NumPoliciesSeen = 0;
	bool bLookedForPlayers = false;
	bool bHasSettings = false;
	bool bIsObserving = false;
};
