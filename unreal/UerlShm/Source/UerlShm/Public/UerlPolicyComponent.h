// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"
#include "UerlPolicyComponent.generated.h"

class FJsonObject;
class FUerlDemonstration;
class FUerlInternalPolicy;
class UUerlAgentComponent;

/** Who decides for an agent. */
UENUM(BlueprintType)
enum class EUerlPolicyMode : uint8
{
	/** The learner; without one the agent is left alone. */
	External,
	/** The exported model of ModelFile. */
	Internal,
	/** Decide(), of C++ or Blueprint. */
	Heuristic,
	/** A person, by SetPlayerInput(). */
	Player,
};

/** The values of one array; of a choice its number, counted from 0. */
USTRUCT(BlueprintType)
struct UERLSHM_API FUerlValues
{
	GENERATED_BODY()

	/** In the order of the array's memory. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TArray<float> Values;
};

/**
 * Decides for the agent that its actor is; an actor without one is External.
 *
 * With a learner the others override its action, and the array info/NAME_taken of each actuator
 * reports what was done instead. Without a learner the others play: they decide at the start of a
 * tick, and when all of them have ended the level is reset. Each has its own mode, which may be
 * changed at any time and counts from the next decision.
 */
UCLASS(Blueprintable, ClassGroup = (UerlShm), meta = (BlueprintSpawnableComponent))
class UERLSHM_API UUerlPolicyComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	UUerlPolicyComponent();

	/** Who decides. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	EUerlPolicyMode Mode = EUerlPolicyMode::External;

	/** Of Internal: an ONNX file of uerl_shm.torch.export_onnx(); relative to the project's folder.
	 */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FString ModelFile;

	/**
	 * Where what is played without a learner is written, as demonstrations; relative to the
	 * project's folder, must not exist. Empty: nowhere.
	 */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FString RecordFile;

	/**
	 * Of Heuristic: changes Actions, which has an entry of zeros for each actuator, by name.
	 *
	 * Called at each decision, before the world is ticked; what is observed is GetObservation().
	 */
	UFUNCTION(BlueprintNativeEvent, Category = "UerlShm")
	void Decide(UPARAM(ref) TMap<FName, FUerlValues>& Actions);

	/** Of Player: what a person wants of an actuator, until it is set again. */
	UFUNCTION(BlueprintCallable, Category = "UerlShm")
	void SetPlayerInput(FName Actuator, const TArray<float>& Values);

	/** What a sensor wrote last; for use in Decide(). Empty: there is no such sensor. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	TArray<float> GetObservation(FName Sensor) const;

	/** The policy of an agent; null: it is External. */
	static UUerlPolicyComponent* Find(const UUerlAgentComponent& Agent);

	/** How many policies have begun to play in this process: when it changes there is a new one. */
	static int32 GetNumBegun();

	virtual void BeginPlay() override;

	/** Whether the learner decides. */
	bool IsExternal() const
	{
		return Mode == EUerlPolicyMode::External;
	}

	/**
	 * Makes the mode ready to decide; called again only when mode or file have changed.
	 *
	 * @param OutProblem  What was found, what was expected and the remedy.
	 */
	bool Prepare(const UUerlAgentComponent& Agent, FString& OutProblem);

	/**
	 * Applies the action of this step: the learner's, or the policy's own.
	 *
	 * A policy that cannot decide is logged once, and its agent does nothing.
	 *
	 * @param LearnerRows  A row for each actuator; empty: there is no learner.
	 */
	void Act(UUerlAgentComponent& Agent, TArrayView<const TArrayView<const uint8>> LearnerRows);

	/** The bytes of the last observation, one array for each sensor; written by who observes. */
	TArray<TArray<uint8>>& GetObservationRows()
	{
		return Observations;
	}

	/** The bytes of the last action, one array for each actuator; zeros after a reset. */
	const TArray<TArray<uint8>>& GetTakenRows() const
	{
		return Taken;
	}

	/** Gives both kinds of rows their sizes, and zeros. */
	void ResetRows(const UUerlAgentComponent& Agent);

	/** The learner's "engine" object in the model's file; null: none, or not Internal. */
	TSharedPtr<FJsonObject> GetEngine() const;

	/**
	 * Writes a step to RecordFile; without one: nothing.
	 *
	 * @param Observed  A row for each sensor.
	 * @param bLast     Whether it is an episode's last observation, which no action follows.
	 */
	void Record(
		const UUerlAgentComponent& Agent, const TArray<TArray<uint8>>& Observed, bool bLast);

	/** Closes RecordFile. */
	void StopRecording();

private:
	bool DecideRows(const UUerlAgentComponent& Agent);
	void DecideByHand(const UUerlAgentComponent& Agent);

	TMap<FName, FUerlValues> PlayerInput;
	TArray<TArray<uint8>> Observations;
	TArray<TArray<uint8>> Taken;

	// Shared pointers, because the header tool makes constructors where these are not known.
	TSharedPtr<FUerlInternalPolicy> Internal;
	TSharedPtr<FUerlDemonstration> Demonstration;
	FString LoadedFile;
	FString LoadProblem;
	FString LastProblem;
	bool bRecordingFailed = false;
};
