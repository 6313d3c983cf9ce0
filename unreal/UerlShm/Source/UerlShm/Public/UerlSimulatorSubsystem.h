// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Engine/EngineBaseTypes.h"
#include "Subsystems/WorldSubsystem.h"
#include "UerlPart.h"
#include "UerlSimulatorSubsystem.generated.h"

class FUerlCommit;
class FUerlEnv;
class FUerlPlay;
class FUerlSegment;
class UUerlAgentComponent;
struct FUerlLaunch;

DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(FUerlResetDelegate, const FUerlReset&, Reset);
DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(FUerlMessageDelegate, const TArray<uint8>&, Bytes);

/**
 * Makes a game world a simulator: one env, whose agents are the level's UUerlAgentComponents.
 *
 * At the start of a world tick it waits for a command, applies the actions, lets the world tick
 * once, and writes rewards, ends and observations at the end of the same tick: an observation is
 * what its action led to. A reset ticks nothing.
 *
 * Name and lane come from -UerlShm= and -UerlLane=, or UERL_SHM_NAME and UERL_SHM_LANE; without a
 * name the world plays as usual, and agents with a policy of their own are stepped at each tick.
 * -UerlShmDescribe=FILE writes the level's spec and exits.
 */
UCLASS()
class UERLSHM_API UUerlSimulatorSubsystem : public UWorldSubsystem
{
	GENERATED_BODY()

public:
	UUerlSimulatorSubsystem();
	virtual ~UUerlSimulatorSubsystem() override;

	/** A new episode begins: put the level where it should be. Agents are reset after this. */
	UPROPERTY(BlueprintAssignable, Category = "UerlShm")
	FUerlResetDelegate OnReset;

	/** The learner sent bytes of its own along with a command. */
	UPROPERTY(BlueprintAssignable, Category = "UerlShm")
	FUerlMessageDelegate OnMessage;

	/** Whether a learner is served. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	bool IsAttached() const;

	/** Sends bytes to the learner with this step's result; false: too long, or not attached. */
	UFUNCTION(BlueprintCallable, Category = "UerlShm")
	bool SendMessage(const TArray<uint8>& Bytes);

	/** The agents of this level, in the order of their rows. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	TArray<UUerlAgentComponent*> GetAgents() const;

	virtual void OnWorldBeginPlay(UWorld& World) override;
	virtual void Deinitialize() override;

protected:
	virtual bool DoesSupportWorldType(const EWorldType::Type WorldType) const override;

private:
	enum class EState : uint8
	{
		/** Nobody asked for a simulator, or it is over. */
		Idle,
		/** No learner yet. */
		Waiting,
		/** Attached and ready. */
		Serving,
	};

	void Stop();
	void Describe(const FString& Path);
	void OnTickStart(UWorld* World, ELevelTick TickType, float DeltaSeconds);
	void OnTickEnd(UWorld* World, ELevelTick TickType, float DeltaSeconds);
	void WaitForLearner();
	bool Prepare();
	void Refuse(const TArray<FString>& Problems);
	bool ReceiveCommand();
	bool Answer();
	void ReadMessage();
	void ResetEpisode(bool bOwn);
	void BeginResult(bool bObserves);
	void FinishStep(float DeltaSeconds);
	bool WaitForSend();
	void Leave(const FString& Why, bool bLearnerIsGone);

	TSharedPtr<FUerlLaunch> Launch;
	TSharedPtr<FUerlSegment> Segment;
	TSharedPtr<FUerlEnv> Env;
	TSharedPtr<FUerlPlay> Play;
	TSharedPtr<FUerlCommit> Commit;

	FString Options;
	EState State = EState::Idle;
	bool bInStep = false;
	bool bToldOfWaiting = false;

	/** When waiting for another learner ends, in the platform's seconds; 0: never. */
	double GiveUpAfter = 0.0;
};
