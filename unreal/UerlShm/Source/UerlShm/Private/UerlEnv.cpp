// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlEnv.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "GameFramework/PlayerController.h"
#include "GameFramework/PlayerState.h"
#include "GameFramework/WorldSettings.h"
#include "Serialization/JsonReader.h"
#include "Serialization/JsonSerializer.h"
#include "UerlAgentComponent.h"
#include "UerlCommit.h"
#include "UerlEngineSettings.h"
#include "UerlLevel.h"
#include "UerlPolicyComponent.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

FUerlEnv::FUerlEnv(UWorld& InWorld)
	: World(InWorld)
{
}

TArray<UUerlAgentComponent*> FUerlEnv::GetAgents() const
{
	TArray<UUerlAgentComponent*> Agents;
	for (const FUerlGroup& Group : Groups)
	{
		Agents.Append(Group.Agents);
	}
	return Agents;
}

FString FUerlEnv::Describe(TArray<FString>& OutProblems)
{
	const TArray<UUerlAgentComponent*> Agents = UerlLevel::FindAgents(World);
	TMap<FName, double> Parameters;
	for (UUerlAgentComponent* const Agent : Agents)
	{
		Agent->AttachParts(OutProblems);
		Parameters.Append(Agent->Parameters);
	}
	Groups = UerlSpec::MakeGroups(Agents, OutProblems);
	if (Groups.Num() == 0)
	{
		OutProblems.Add(TEXT("the level has no agent, expected actors with a UerlAgentComponent, "
							 "or engine= with agent_configs and spec= in Python"));
	}
	return UerlSpec::ToJson(World.GetMapName(), Groups, Parameters);
}

static TSharedPtr<FJsonObject> ReadText(const uerl_simulator* Simulator)
{
	TSharedPtr<FJsonObject> Text;
	const FString Json = UTF8_TO_TCHAR(uerl_simulator_text(Simulator));
	FJsonSerializer::Deserialize(TJsonReaderFactory<>::Create(Json), Text);
	return Text.IsValid() ? Text : TSharedPtr<FJsonObject>(MakeShared<FJsonObject>());
}

static TMap<FName, double> ReadDefaults(const FJsonObject& Text)
{
	TMap<FName, double> Parameters;
	const TSharedPtr<FJsonObject>*Spec = nullptr, *Numbers = nullptr;
	if (Text.TryGetObjectField(TEXT("spec"), Spec) &&
		(*Spec)->TryGetObjectField(TEXT("parameters"), Numbers))
	{
		for (const auto& [Name, Value] : (*Numbers)->Values)
		{
			Parameters.Add(FName(*FString(Name)), Value->AsNumber());
		}
	}
	return Parameters;
}

void FUerlEnv::SpawnAgents(const FJsonObject& Engine, TArray<FString>& OutProblems)
{
	for (const TWeakObjectPtr<AActor>& Actor : SpawnedActors) // for a learner before this one
	{
		if (Actor.IsValid())
		{
			Actor->Destroy();
		}
	}
	SpawnedActors.Reset();
	TArray<TObjectPtr<AActor>> Actors;
	UerlLevel::SpawnAgents(World, Engine, Actors, OutProblems);
	for (AActor* const Actor : Actors)
	{
		SpawnedActors.Add(Actor);
	}
}

void FUerlEnv::Prepare(uerl_simulator* InSimulator, TArray<FString>& OutProblems)
{
	Simulator = InSimulator;
	const TSharedPtr<FJsonObject> Text = ReadText(Simulator);
	const TSharedPtr<FJsonObject> Nothing = MakeShared<FJsonObject>();
	const TSharedPtr<FJsonObject>* Engine = nullptr;
	if (!Text->TryGetObjectField(TEXT("engine"), Engine))
	{
		Engine = &Nothing;
	}
	if (uerl_simulator_num_envs(Simulator) != 1)
	{
		OutProblems.Add(FString::Printf(
			TEXT("the learner has %u envs for each simulator, expected 1, because an engine has "
				 "one world: give VecEnv envs_per_simulator=1"),
			uerl_simulator_num_envs(Simulator)));
	}
	SpawnAgents(**Engine, OutProblems);
	const TArray<UUerlAgentComponent*> Agents = UerlLevel::FindAgents(World);
	for (UUerlAgentComponent* const Agent : Agents)
	{
		Agent->AttachParts(OutProblems);
		UUerlPolicyComponent* const Policy = UUerlPolicyComponent::Find(*Agent);
		FString Problem;
		if (Policy != nullptr && !Policy->Prepare(*Agent, Problem))
		{
			OutProblems.Add(
				FString::Printf(TEXT("agent %s: %s"), *Agent->GetAgentName(), *Problem));
		}
	}
	Groups = UerlSpec::MakeGroups(Agents, OutProblems);
	const FUerlEngineSettings Settings =
		FUerlEngineSettings::Read(**Engine, /* bInference = */ false, OutProblems);
	if (OutProblems.Num() == 0)
	{
		Rows.Bind(Simulator, Groups, ReadDefaults(*Text), OutProblems);
	}
	if (OutProblems.Num() == 0)
	{
		Settings.Apply(World);
	}
	bEnded = true;
}

FUerlReset FUerlEnv::ReadReset(bool bOwn, const FString& Options) const
{
	FUerlReset Reset;
	const int64 Seed = bOwn ? -1 : uerl_simulator_seed(Simulator, 0);
	Reset.bHasSeed = Seed >= 0;
	Reset.Seed = Seed;
	Reset.Parameters = Rows.ReadParameters();
	Reset.Options = bOwn ? FString() : Options;
	return Reset;
}

void FUerlEnv::Reset(const FUerlReset& What)
{
	for (UUerlAgentComponent* const Agent : GetAgents())
	{
		Agent->ResetAgent(What);
		if (UUerlPolicyComponent* const Policy = UUerlPolicyComponent::Find(*Agent))
		{
			Policy->ResetRows(*Agent);
		}
	}
	bEnded = false;
}

void FUerlEnv::Act() const
{
	Rows.Act();
}

void FUerlEnv::FinishTick(float DeltaSeconds)
{
	bAnyEnded = false;
	bEnded = true;
	for (UUerlAgentComponent* const Agent : GetAgents())
	{
		Agent->FinishTick(DeltaSeconds);
		bAnyEnded |= Agent->GetEnd() != EUerlEnd::GoesOn;
		bEnded &= Agent->GetEnd() != EUerlEnd::GoesOn;
	}
	Rows.WriteOutcomes();
}

void FUerlEnv::Observe(bool bFinal, bool bFirst, const TSharedRef<FUerlCommit>& Commit)
{
	Rows.Observe(bFinal, Step, bFirst, Commit);
	Step += bFinal ? 0 : 1;
}

void FUerlEnv::WriteOutcomes() const
{
	Rows.WriteOutcomes();
}

void FUerlEnv::SetPaused(bool bPaused)
{
	AWorldSettings* const Settings = World.GetWorldSettings();
	const bool bIsPaused = Settings->GetPauserPlayerState() != nullptr;
	if (bIsPaused == bPaused)
	{
		return;
	}
	APlayerController* const Player = World.GetFirstPlayerController();
	Settings->SetPauserPlayerState(bPaused && Player != nullptr ? Player->PlayerState : nullptr);
}
