// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlActuators.generated.h"

class APawn;

/** Floats that a Blueprint or a C++ subclass applies. */
UCLASS(Blueprintable)
class UERLSHM_API UUerlContinuousActuator : public UUerlActuator
{
	GENERATED_BODY()

public:
	/** How many floats a decision has. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 NumValues = 1;

	/** Least value of each. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float Low = -1.0f;

	/** Greatest value of each. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float High = 1.0f;

	/** Applies a decision, before the world is ticked. */
	UFUNCTION(BlueprintNativeEvent, Category = "UerlShm")
	void ActContinuous(const TArray<float>& Values);

	virtual FName GetKind() const override
	{
		return TEXT("continuous");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual FUerlArray Describe() const override;
	virtual void Act(TArrayView<const uint8> Row) override;
};

/** One choice of several, which a Blueprint or a C++ subclass applies. */
UCLASS(Blueprintable)
class UERLSHM_API UUerlDiscreteActuator : public UUerlActuator
{
	GENERATED_BODY()

public:
	/** How many choices there are. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 NumChoices = 2;

	/** Applies choice 0 .. NumChoices - 1, before the world is ticked. */
	UFUNCTION(BlueprintNativeEvent, Category = "UerlShm")
	void ActDiscrete(int32 Choice);

	virtual FName GetKind() const override
	{
		return TEXT("discrete");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual FUerlArray Describe() const override;
	virtual void Act(TArrayView<const uint8> Row) override;
};

/** Two floats, forward and right, that become the movement input of the agent's pawn. */
UCLASS()
class UERLSHM_API UUerlMovementActuator : public UUerlContinuousActuator
{
	GENERATED_BODY()

public:
	UUerlMovementActuator();

	virtual FName GetKind() const override
	{
		return TEXT("movement_input");
	}
	virtual bool Attach(FString& OutProblem) override;
	virtual void ActContinuous_Implementation(const TArray<float>& Values) override;
	virtual TArray<float> ReadKeys(const APlayerController& Player) const override;

private:
	UPROPERTY(Transient)
	TObjectPtr<APawn> Pawn;
};
