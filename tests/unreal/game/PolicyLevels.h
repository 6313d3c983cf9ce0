// PolicyLevels.h: a level whose agent has a policy of its own.
#pragma once

#include "Game.h"
#include "UerlActuators.h"
#include "UerlPolicyComponent.h"
#include "UerlTerminators.h"
#include "PolicyLevels.generated.h"

/** Three choices: stand, left, right. */
UCLASS()
class UGameSideActuator : public UUerlDiscreteActuator
{
	GENERATED_BODY()

public:
	UGameSideActuator();
	virtual void ActDiscrete_Implementation(int32 Choice) override;
};

/** Ends an episode after some steps, and begins it somewhere. */
UCLASS()
class UGameScatter : public UUerlStepCounterTerminator
{
	GENERATED_BODY()

public:
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
};

/** A heuristic that walks to the middle of the world. */
UCLASS()
class UGamePolicy : public UUerlPolicyComponent
{
	GENERATED_BODY()

public:
	virtual void Decide_Implementation(TMap<FName, FUerlValues>& Actions) override;
};

/** Stands for a person: a constant wish, and -ShimSwitchTo=MODE at -ShimSwitchAt=TICK. */
UCLASS()
class AGamePerson : public AActor
{
	GENERATED_BODY()

public:
	virtual void Tick(float DeltaSeconds) override;

	UUerlPolicyComponent* Policy = nullptr;
	int32 NumTicks = 0;
};

/** -ShimMode=, -ShimModel=, -ShimRecord= set its properties, -ShimCamera= its camera's side. */
void OpenPolicy(UWorld& World);
