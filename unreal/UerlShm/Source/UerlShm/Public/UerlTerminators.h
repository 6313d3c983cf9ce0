// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlTerminators.generated.h"

struct FHitResult;

/** UERL's "step_counter": cuts an episode off after so many steps. */
UCLASS()
class UERLSHM_API UUerlStepCounterTerminator : public UUerlTerminator
{
	GENERATED_BODY()

public:
	/** Steps of an episode. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 MaxSteps = 2000;

	virtual FName GetKind() const override
	{
		return TEXT("step_counter");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual EUerlEnd GetEnd_Implementation() override;
};

/** Ends an episode when the agent enters, or leaves, an actor such as a trigger volume. */
UCLASS()
class UERLSHM_API UUerlVolumeTerminator : public UUerlTerminator
{
	GENERATED_BODY()

public:
	/** Name or tag of the volume. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName VolumeName;

	/** End when the agent is outside, not when it is inside. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bWhenOutside = false;

	virtual FName GetKind() const override
	{
		return TEXT("volume");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual EUerlEnd GetEnd_Implementation() override;

private:
	UPROPERTY(Transient)
	TObjectPtr<AActor> Volume;
};

/** UERL's "on_hit_terminator": ends an episode when the agent's body hits something. */
UCLASS()
class UERLSHM_API UUerlOnHitTerminator : public UUerlTerminator
{
	GENERATED_BODY()

public:
	virtual FName GetKind() const override
	{
		return TEXT("on_hit_terminator");
	}
	virtual bool Attach(FString& OutProblem) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual EUerlEnd GetEnd_Implementation() override;

private:
	UFUNCTION()
	void OnHit(AActor* Agent, AActor* Other, FVector NormalImpulse, const FHitResult& Hit);

	bool bWasHit = false;
};

/**
 * UERL's "actors_finished": ends an episode when no actor of a class is left.
 *
 * One that is hidden in the game counts as gone, as what pickup_reward has picked up.
 */
UCLASS()
class UERLSHM_API UUerlActorsFinishedTerminator : public UUerlTerminator
{
	GENERATED_BODY()

public:
	/** The class, with those that derive from it. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TSubclassOf<AActor> ActorsClass;

	virtual FName GetKind() const override
	{
		return TEXT("actors_finished");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual EUerlEnd GetEnd_Implementation() override;
};

/** A terminator that a Blueprint writes: override GetEnd. */
UCLASS(Blueprintable)
class UERLSHM_API UUerlBlueprintTerminator : public UUerlTerminator
{
	GENERATED_BODY()

public:
	virtual FName GetKind() const override
	{
		return TEXT("blueprint");
	}
};
