// UerlLevels.h: the level of UERL's README, CollectApplesMap: a robot, its start, apples and a
// wall.
#pragma once

#include "GameFramework/Character.h"
#include "UerlLevels.generated.h"

/** UERL's robot: half a metre in each direction, with a camera 50 cm above its middle. */
UCLASS()
class ABP_RobotAgent_C : public ACharacter
{
	GENERATED_BODY()

public:
	ABP_RobotAgent_C();
};

/** Something to be picked up. */
UCLASS()
class AGameApple : public AActor
{
	GENERATED_BODY()

public:
	AGameApple();
};

/**
 * Types the lines of the file -ShimConsole=FILE into the console at the second tick; tells at the
 * end of each later one where agents are.
 */
UCLASS()
class AGameConsole : public AActor
{
	GENERATED_BODY()

public:
	virtual void Tick(float DeltaSeconds) override;

private:
	int32 NumTicks = 0;
};

/** Fills a world with the level. */
void OpenApples(UWorld& World);
