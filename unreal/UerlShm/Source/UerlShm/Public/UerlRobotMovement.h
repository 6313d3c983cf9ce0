// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlRobotMovement.generated.h"

class ACharacter;

/**
 * UERL's keys of a robot: forward, back, right, left, jump; each 0 or 1.
 *
 * Forward and back become movement input along the character's forward axis, right and left turn
 * it around the world's up, and jump is held for as long as it is 1.
 */
UCLASS()
class UERLSHM_API UUerlRobotMovementActuator : public UUerlActuator
{
	GENERATED_BODY()

public:
	/** How fast it turns, in degrees of a second of the world. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float TurnRate = 75.0f;

	virtual FName GetKind() const override
	{
		return TEXT("robot_movement");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual FUerlArray Describe() const override;
	virtual void Act(TArrayView<const uint8> Row) override;
	virtual TArray<float> ReadKeys(const APlayerController& Player) const override;

private:
	void Turn(double Direction) const;

	UPROPERTY(Transient)
	TObjectPtr<ACharacter> Character;
};
