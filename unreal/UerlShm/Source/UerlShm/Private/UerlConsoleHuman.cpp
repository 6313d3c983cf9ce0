// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "Dom/JsonObject.h"
#include "Engine/World.h"
#include "GameFramework/Pawn.h"
#include "GameFramework/PlayerController.h"
#include "HAL/IConsoleManager.h"
#include "Serialization/JsonReader.h"
#include "Serialization/JsonSerializer.h"
#include "UerlAgentComponent.h"
#include "UerlConsole.h"
#include "UerlHumanComponent.h"
#include "UerlLevel.h"
#include "UerlPolicyComponent.h"
#include "UerlShmModule.h"
#include "UerlSimulatorSubsystem.h"

namespace UerlConsole
{
	// The console splits a line at its spaces, also those within the JSON.
	static TSharedPtr<FJsonObject> ReadLine(const TArray<FString>& Words)
	{
		TSharedPtr<FJsonObject> Config;
		const FString Text = FString::Join(Words, TEXT(" "));
		FJsonSerializer::Deserialize(TJsonReaderFactory<>::Create(Text), Config);
		return Config;
	}

	static void LetPlay(AActor& Actor, APlayerController* Player)
	{
		UUerlPolicyComponent* Policy = Actor.FindComponentByClass<UUerlPolicyComponent>();
		if (Policy == nullptr)
		{
			Policy = NewObject<UUerlPolicyComponent>(&Actor);
			Policy->RegisterComponent();
		}
		Policy->Mode = EUerlPolicyMode::Player;
		NewObject<UUerlHumanComponent>(&Actor)->RegisterComponent();
		APawn* const Pawn = Cast<APawn>(&Actor);
		if (Pawn != nullptr && Player != nullptr)
		{
			Player->Possess(Pawn);
			Pawn->DisableInput(Player); // its actuators move it
		}
	}

	// What was spawned plays in place of what an earlier line has spawned.
	static void Spawn(const FJsonObject& Config, UWorld& World)
	{
		static TArray<TWeakObjectPtr<AActor>> Spawned;
		TArray<TObjectPtr<AActor>> Actors;
		TArray<FString> Problems;
		for (const TWeakObjectPtr<AActor>& Actor : Spawned)
		{
			if (Actor.IsValid())
			{
				Actor->Destroy();
			}
		}
		Spawned.Reset();
		UerlLevel::SpawnAgents(World, Config, Actors, Problems);
		if (Problems.Num() == 0 && Actors.Num() == 0)
		{
			Problems.Add(TEXT("agent_configs is empty, expected at least one agent"));
		}
		for (AActor* const Actor : Actors)
		{
			if (Problems.Num() > 0)
			{
				Actor->Destroy();
			}
			Spawned.Add(Actor);
		}
		if (Problems.Num() > 0)
		{
			UE_LOG(LogUerlShm, Error, TEXT("%s"), *FString::Join(Problems, TEXT("; ")));
			return;
		}
		LetPlay(*Actors[0], World.GetFirstPlayerController());
		for (AActor* const Actor : Actors)
		{
			UE_LOG(LogUerlShm, Display, TEXT("agent %s has been spawned"),
				*Actor->FindComponentByClass<UUerlAgentComponent>()->GetAgentName());
		}
	}

	static void HumanStart(const TArray<FString>& Words, UWorld* World)
	{
		const TSharedPtr<FJsonObject> Config = ReadLine(Words);
		const UUerlSimulatorSubsystem* const Subsystem =
			World != nullptr ? World->GetSubsystem<UUerlSimulatorSubsystem>() : nullptr;
		if (!Config.IsValid())
		{
			UE_LOG(LogUerlShm, Error,
				TEXT("Uerl.HumanStart got no JSON, expected what "
					 "UEEnvConfig.get_ue_human_mode_command() prints"));
			return;
		}
		if (Subsystem == nullptr || Subsystem->IsAttached())
		{
			UE_LOG(LogUerlShm, Error,
				TEXT("Uerl.HumanStart in a world that %s, expected one that plays without a "
					 "learner: start the game without -UerlShm="),
				Subsystem == nullptr ? TEXT("does not play") : TEXT("serves a learner"));
			return;
		}
		SetHuman();
		Spawn(*Config, *World);
	}

	static const TCHAR* const HumanStartHelp =
		TEXT("A person plays as the first agent of a configuration: W, S, D, A and the space bar. "
			 "Uerl.HumanStart JSON");
	static FAutoConsoleCommandWithWorldAndArgs HumanStartCommand(TEXT("Uerl.HumanStart"),
		HumanStartHelp, FConsoleCommandWithWorldAndArgsDelegate::CreateStatic(&HumanStart));
	static FAutoConsoleCommandWithWorldAndArgs HumanStartAlias(TEXT("ML.HumanStart"),
		TEXT("UERL's name of Uerl.HumanStart."),
		FConsoleCommandWithWorldAndArgsDelegate::CreateStatic(&HumanStart));
} // namespace UerlConsole
