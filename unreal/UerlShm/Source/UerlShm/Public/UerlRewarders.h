// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlRewarders.generated.h"

struct FHitResult;

/**
 * UERL's "pickup_reward": a reward for each actor with a tag that the agent touches; what was
 * touched is hidden until the next reset.
 */
UCLASS()
class UERLSHM_API UUerlPickupRewarder : public UUerlRewarder
{
	GENERATED_BODY()

public:
	/** Tag of the actors to be picked up. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName PickupTag = TEXT("Pickup");

	/** Reward of each. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float Value = 1.0f;

	virtual FName GetKind() const override
	{
		return TEXT("pickup_reward");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual float GetReward_Implementation() override;

private:
	UFUNCTION()
	void OnOverlap(AActor* Agent, AActor* Other);

	UPROPERTY(Transient)
	TArray<TObjectPtr<AActor>> PickedUp;

	int32 NumNew = 0;
};

/**
 * UERL's "target_distance": how much nearer the agent has come to a place, or to an actor, since
 * the last step.
 */
UCLASS()
class UERLSHM_API UUerlTargetDistanceRewarder : public UUerlRewarder
{
	GENERATED_BODY()

public:
	/** Name or tag of the actor; empty: TargetLocation. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName TargetActorName;

	/** The place, in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FVector TargetLocation = FVector(1.0, 0.0, 0.0);

	/** Reward of a centimetre. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float RewardPerCm = 0.03f;

	virtual FName GetKind() const override
	{
		return TEXT("target_distance");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual float GetReward_Implementation() override;

private:
	double GetDistance() const;

	UPROPERTY(Transient)
	TObjectPtr<AActor> Target;

	double LastDistance = 0.0;
};

/**
 * UERL's "world_direction": how far the agent has moved in one direction of the world since the
 * last step.
 */
UCLASS()
class UERLSHM_API UUerlDirectionRewarder : public UUerlRewarder
{
	GENERATED_BODY()

public:
	/** The direction; its length does not matter. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FVector Direction = FVector(1.0, 0.0, 0.0);

	/** Reward of a centimetre. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float RewardPerCm = 0.03f;

	virtual FName GetKind() const override
	{
		return TEXT("world_direction");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual float GetReward_Implementation() override;

private:
	FVector LastLocation = FVector::ZeroVector;
};

/** UERL's "on_hit_rewarder": a reward, mostly a negative one, for each hit of the agent's body. */
UCLASS()
class UERLSHM_API UUerlOnHitRewarder : public UUerlRewarder
{
	GENERATED_BODY()

public:
	/** Reward of each hit. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float Value = -10.0f;

	virtual FName GetKind() const override
	{
		return TEXT("on_hit_rewarder");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual float GetReward_Implementation() override;

private:
	UFUNCTION()
	void OnHit(AActor* Agent, AActor* Other, FVector NormalImpulse, const FHitResult& Hit);

	int32 NumHits = 0;
};

/** A rewarder that a Blueprint writes: override GetReward. */
UCLASS(Blueprintable)
class UERLSHM_API UUerlBlueprintRewarder : public UUerlRewarder
{
	GENERATED_BODY()

public:
	virtual FName GetKind() const override
	{
		return TEXT("blueprint");
	}
};
