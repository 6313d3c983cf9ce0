// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlLevel.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "Engine/World.h"
#include "EngineUtils.h"
#include "GameFramework/Actor.h"
#include "GameFramework/Pawn.h"
#include "UerlAgentComponent.h"
#include "UerlClasses.h"

namespace UerlLevel
{
	TArray<UUerlAgentComponent*> FindAgents(UWorld& World)
	{
		TArray<UUerlAgentComponent*> Agents;
		for (TActorIterator<AActor> Actor(&World); Actor; ++Actor)
		{
			if (UUerlAgentComponent* const Agent =
					Actor->FindComponentByClass<UUerlAgentComponent>())
			{
				Agents.Add(Agent);
			}
		}
		// Actors come in any order; rows must not.
		Agents.Sort([](const UUerlAgentComponent& One, const UUerlAgentComponent& Other)
			{ return One.GetAgentName() < Other.GetAgentName(); });
		return Agents;
	}

	static bool FindSpawnPoint(UWorld& World, const FString& Name, FTransform& OutTransform)
	{
		for (TActorIterator<AActor> Actor(&World); Actor; ++Actor)
		{
			if (Actor->GetName() == Name || Actor->ActorHasTag(FName(*Name)))
			{
				OutTransform = Actor->GetActorTransform();
				return true;
			}
		}
		return false;
	}

	// A pawn moves only if somebody controls it.
	static AActor* SpawnActor(UWorld& World, UClass* Class, const FTransform& Transform)
	{
		FActorSpawnParameters Parameters;
		Parameters.SpawnCollisionHandlingOverride = ESpawnActorCollisionHandlingMethod::AlwaysSpawn;
		AActor* const Actor = World.SpawnActor<AActor>(Class, Transform, Parameters);
		if (APawn* const Pawn = Cast<APawn>(Actor))
		{
			Pawn->SpawnDefaultController();
		}
		return Actor;
	}

	static AActor* SpawnAgent(
		UWorld& World, const TSharedRef<FJsonObject>& Config, TArray<FString>& OutProblems)
	{
		FString AgentId, ClassName, SpawnPoint, Problem;
		Config->TryGetStringField(TEXT("agent_id"), AgentId);
		Config->TryGetStringField(TEXT("agent_ue_class"), ClassName);
		Config->TryGetStringField(TEXT("spawn_point_name"), SpawnPoint);
		FTransform Transform;
		if (!SpawnPoint.IsEmpty() && !FindSpawnPoint(World, SpawnPoint, Transform))
		{
			OutProblems.Add(FString::Printf(TEXT("agent %s: spawn point '%s' not found in the "
												 "level, expected an actor of that name or tag"),
				*AgentId, *SpawnPoint));
		}
		UClass* const Class = UerlClasses::FindActorClass(ClassName, Problem);
		AActor* const Actor = Class != nullptr ? SpawnActor(World, Class, Transform) : nullptr;
		if (Actor == nullptr)
		{
			OutProblems.Add(FString::Printf(TEXT("agent %s: %s"), *AgentId,
				Class == nullptr ? *Problem
								 : *(ClassName + TEXT(" could not be spawned: see LogSpawn"))));
			// The names in its configuration are checked all the same.
			NewObject<UUerlAgentComponent>(&World)->Configure(Config, OutProblems);
			return nullptr;
		}
		UUerlAgentComponent* Agent = Actor->FindComponentByClass<UUerlAgentComponent>();
		if (Agent == nullptr)
		{
			Agent = NewObject<UUerlAgentComponent>(Actor);
			Agent->RegisterComponent();
		}
		Agent->Configure(Config, OutProblems);
		return Actor;
	}

	void SpawnAgents(UWorld& World, const FJsonObject& Engine,
		TArray<TObjectPtr<AActor>>& OutActors, TArray<FString>& OutProblems)
	{
		const TArray<TSharedPtr<FJsonValue>>* Configs = nullptr;
		if (!Engine.HasField(TEXT("agent_configs")))
		{
			return;
		}
		if (!Engine.TryGetArrayField(TEXT("agent_configs"), Configs))
		{
			OutProblems.Add(TEXT("agent_configs is of another type, expected a list of agents"));
			return;
		}
		for (const TSharedPtr<FJsonValue>& Value : *Configs)
		{
			const TSharedPtr<FJsonObject>* Config = nullptr;
			if (!Value.IsValid() || !Value->TryGetObject(Config))
			{
				OutProblems.Add(
					TEXT("agent_configs has an entry of another type, expected an object"));
				continue;
			}
			if (AActor* const Actor = SpawnAgent(World, Config->ToSharedRef(), OutProblems))
			{
				OutActors.Add(Actor);
			}
		}
	}
} // namespace UerlLevel
