// Game.h: a project that uses the plugin: one class of agents, and the levels of the tests.
#pragma once

#include "GameFramework/Pawn.h"
#include "Game.generated.h"

/** A pawn of half a metre with a body. */
UCLASS()
class AGameAgent : public APawn
{
	GENERATED_BODY()

public:
	AGameAgent();
};

/** A box of a level. */
UCLASS()
class AGameBox : public AActor
{
	GENERATED_BODY()
};

/** Fills a world with the level of this name; false: there is none. */
bool OpenLevel(UWorld& World, const FString& Name);
