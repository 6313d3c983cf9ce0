// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"
#include "UerlPart.h"
#include "UerlAgentComponent.generated.h"

class FJsonObject;
class FUerlSettings;

/**
 * Makes an actor an agent: its sensors are what the policy sees, its actuators what it decides.
 *
 * Agents of one level that have the same arrays form a group; each is a row of the learner's batch.
 */
UCLASS(ClassGroup = (UerlShm), meta = (BlueprintSpawnableComponent))
class UERLSHM_API UUerlAgentComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	UUerlAgentComponent();

	/** Name of this agent; empty: its actor's name. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "UerlShm")
	FString AgentId;

	/** Agents of one group have the same arrays: a-z, digits, underscores. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "UerlShm")
	FString Group = TEXT("agent");

	/** What the policy sees. */
	UPROPERTY(EditAnywhere, Instanced, BlueprintReadOnly, Category = "UerlShm")
	TArray<TObjectPtr<UUerlSensor>> Sensors;

	/** What the policy decides. */
	UPROPERTY(EditAnywhere, Instanced, BlueprintReadOnly, Category = "UerlShm")
	TArray<TObjectPtr<UUerlActuator>> Actuators;

	/** What is added up to the reward. */
	UPROPERTY(EditAnywhere, Instanced, BlueprintReadOnly, Category = "UerlShm")
	TArray<TObjectPtr<UUerlRewarder>> Rewarders;

	/** What ends an episode. */
	UPROPERTY(EditAnywhere, Instanced, BlueprintReadOnly, Category = "UerlShm")
	TArray<TObjectPtr<UUerlTerminator>> Terminators;

	/** What is written beside the observation. */
	UPROPERTY(EditAnywhere, Instanced, BlueprintReadOnly, Category = "UerlShm")
	TArray<TObjectPtr<UUerlInfo>> Infos;

	/** Numbers that the learner may set at a reset, and their defaults. */
	UPROPERTY(EditAnywhere, BlueprintReadOnly, Category = "UerlShm")
	TMap<FName, double> Parameters;

	/**
	 * Takes over an entry of "agent_configs": its agent_id, its group, and the parts of
	 * sensor_configs, actuator_configs, rewarder_configs, terminator_configs and infos_configs.
	 *
	 * @param OutProblems  Every unknown key or kind, and every value of another type.
	 */
	void Configure(const TSharedRef<FJsonObject>& Config, TArray<FString>& OutProblems);

	/** Calls Attach() of every part; problems, also arrays of one name, are added to a list. */
	void AttachParts(TArray<FString>& OutProblems);

	/** Puts the actor where it was at BeginPlay and resets every part. */
	void ResetAgent(const FUerlReset& Reset);

	/** Tells every part that the world was ticked, and adds up reward and end. */
	void FinishTick(float DeltaSeconds);

	/** AgentId, or the actor's name. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	FString GetAgentName() const;

	/** Reward of the last step. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	float GetReward() const
	{
		return Reward;
	}

	/** Sum of the episode's rewards. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	float GetEpisodeReward() const
	{
		return EpisodeReward;
	}

	/** Numbers that the learner wrote beside the last observation, such as its value estimate. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	const TMap<FName, float>& GetAnnotations() const
	{
		return Annotations;
	}

	void SetAnnotation(FName Name, float Value)
	{
		Annotations.Add(Name, Value);
	}

	/** Steps of this episode. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	int32 GetEpisodeSteps() const
	{
		return EpisodeSteps;
	}

	/** Whether and how the episode ended. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	EUerlEnd GetEnd() const
	{
		return End;
	}

	/** Whether every part has found what it needs. */
	bool IsAttached() const
	{
		return bAttached;
	}

	/** Every part, in the order of the properties. */
	TArray<UUerlPart*> GetParts() const;

	virtual void BeginPlay() override;

private:
	template <typename PartType>
	void ConfigureParts(FUerlSettings& Settings, const FJsonObject& Config, const TCHAR* Key,
		TArray<TObjectPtr<PartType>>& Parts, TArray<FString>& OutProblems);

	FTransform StartTransform;
	TMap<FName, float> Annotations;
	float Reward = 0.0f;
	float EpisodeReward = 0.0f;
	int32 EpisodeSteps = 0;
	EUerlEnd End = EUerlEnd::GoesOn;
	bool bAttached = false;
};
