// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlPlay.h"

#include "CoreGlobals.h"
#include "Dom/JsonObject.h"
#include "Engine/World.h"
#include "RenderingThread.h"
#include "UerlAgentComponent.h"
#include "UerlCommit.h"
#include "UerlEngineSettings.h"
#include "UerlLevel.h"
#include "UerlPolicyComponent.h"
#include "UerlSensors.h"
#include "UerlShmModule.h"

/** Longest sleep before a look at whether the engine wants to exit. */
static const FTimespan PlaySlice = FTimespan::FromMilliseconds(100.0);

FUerlPlay::FUerlPlay(UWorld& InWorld, TFunction<void(const FUerlReset&)> InOnReset)
	: World(InWorld)
	, OnReset(MoveTemp(InOnReset))
{
}

FUerlPlay::~FUerlPlay()
{
	if (Commit.IsValid() && !Commit->Wait(FTimespan::Zero()))
	{
		FlushRenderingCommands(); // pictures on their way write into the rows
	}
	if (WaitForPictures())
	{
		RecordLast();
	}
	for (FPlayer& Player : Players)
	{
		if (Player.Policy.IsValid())
		{
			Player.Policy->StopRecording();
		}
	}
}

void FUerlPlay::StartTick()
{
	if (World.IsPaused() || !WaitForPictures())
	{
		return;
	}
	if (!bLookedForPlayers || NumPoliciesSeen != UUerlPolicyComponent::GetNumBegun())
	{
		FindPlayers();
	}
	RemoveLost();
	RecordLast();
	UpdatePlayers();
	if (!WaitForPictures()) // of those who have just begun
	{
		return;
	}
	for (FPlayer& Player : Players)
	{
		Player.bActed = Player.bPlays && !Player.bHasEnded;
		if (Player.bActed)
		{
			Player.Policy->Act(*Player.Agent.Get(), TArrayView<const TArrayView<const uint8>>());
		}
	}
}

void FUerlPlay::FinishTick(float DeltaSeconds)
{
	bool bAnyPlays = false, bAllEnded = true;
	RemoveLost();
	for (FPlayer& Player : Players)
	{
		if (Player.bActed)
		{
			Player.Agent->FinishTick(DeltaSeconds);
			Player.bHasEnded = Player.Agent->GetEnd() != EUerlEnd::GoesOn;
			TArray<TArray<uint8>>& Rows = Player.Policy->GetObservationRows();
			Player.Policy->Record(*Player.Agent.Get(), Rows, /* bLast = */ false);
			if (Player.bHasEnded && !Player.Policy->RecordFile.IsEmpty())
			{
				Player.Last = Rows;
				Observe(Player, Player.Last, /* bFirst = */ false, /* bFinal = */ true);
			}
			else if (!Player.bHasEnded)
			{
				Observe(Player, Rows, /* bFirst = */ false, /* bFinal = */ false);
			}
		}
		bAnyPlays |= Player.bActed;
		bAllEnded &= !Player.bPlays || Player.bHasEnded;
		Player.bActed = false;
	}
	if (bAnyPlays && bAllEnded)
	{
		ResetPlayers();
	}
	FinishObserving();
}

void FUerlPlay::FindPlayers()
{
	for (UUerlAgentComponent* const Agent : UerlLevel::FindAgents(World))
	{
		UUerlPolicyComponent* const Policy = UUerlPolicyComponent::Find(*Agent);
		bool bKnown = Policy == nullptr;
		for (const FPlayer& Player : Players)
		{
			bKnown |= Player.Agent.Get() == Agent;
		}
		if (!bKnown)
		{
			FPlayer& Player = Players.AddDefaulted_GetRef();
			Player.Agent = Agent;
			Player.Policy = Policy;
		}
	}
	bLookedForPlayers = true;
	NumPoliciesSeen = UUerlPolicyComponent::GetNumBegun();
}

void FUerlPlay::RemoveLost()
{
	for (int32 Index = Players.Num() - 1; Index >= 0; Index--)
	{
		if (!Players[Index].Agent.IsValid() || !Players[Index].Policy.IsValid())
		{
			Players.RemoveAt(Index);
		}
	}
}

void FUerlPlay::UpdatePlayers()
{
	for (FPlayer& Player : Players)
	{
		const bool bShould = !Player.Policy->IsExternal() && !Player.bRefused;
		if (bShould && !Player.bPlays)
		{
			Player.bPlays = BeginPlaying(Player);
			Player.bRefused = !Player.bPlays;
		}
		else if (!bShould)
		{
			Player.bPlays = false;
		}
		if (Player.bPlays)
		{
			ApplySettings(Player);
		}
	}
	FinishObserving();
}

bool FUerlPlay::BeginPlaying(FPlayer& Player)
{
	TArray<FString> Problems;
	Player.Agent->AttachParts(Problems);
	for (const FString& Problem : Problems)
	{
		UE_LOG(LogUerlShm, Error, TEXT("%s"), *Problem);
	}
	if (Problems.Num() > 0)
	{
		return false;
	}
	UE_LOG(LogUerlShm, Display, TEXT("agent %s plays by itself"), *Player.Agent->GetAgentName());
	Player.Agent->ResetAgent(FUerlReset());
	Player.Policy->ResetRows(*Player.Agent.Get());
	Player.bHasEnded = false;
	Observe(Player, Player.Policy->GetObservationRows(), /* bFirst = */ true, /* bFinal = */ false);
	return true;
}

void FUerlPlay::ResetPlayers()
{
	const FUerlReset Reset;
	OnReset(Reset);
	for (FPlayer& Player : Players)
	{
		Player.bPlays &= Player.Agent.IsValid() && Player.Policy.IsValid();
		if (Player.bPlays)
		{
			Player.Agent->ResetAgent(Reset);
			Player.Policy->ResetRows(*Player.Agent.Get());
			Player.bHasEnded = false;
		}
	}
	for (FPlayer& Player : Players) // after all of them: they may see each other
	{
		if (Player.bPlays)
		{
			Observe(Player, Player.Policy->GetObservationRows(), /* bFirst = */ true,
				/* bFinal = */ false);
		}
	}
	bLookedForPlayers = false;
}

// The set of the first model that has one: the engine has one clock.
void FUerlPlay::ApplySettings(const FPlayer& Player)
{
	FString Unused; // Act() tells of it
	Player.Policy->Prepare(*Player.Agent.Get(), Unused);
	const TSharedPtr<FJsonObject> Engine = Player.Policy->GetEngine();
	if (bHasSettings || !Engine.IsValid() || !Engine->HasField(TEXT("inference")))
	{
		return;
	}
	TArray<FString> Problems;
	const FUerlEngineSettings Settings =
		FUerlEngineSettings::Read(*Engine, /* bInference = */ true, Problems);
	for (const FString& Problem : Problems)
	{
		UE_LOG(LogUerlShm, Error, TEXT("%s"), *Problem);
	}
	if (Problems.Num() == 0)
	{
		Settings.Apply(World);
	}
	bHasSettings = true;
}

bool FUerlPlay::WaitForPictures()
{
	while (Commit.IsValid() && !Commit->Wait(PlaySlice))
	{
		if (IsEngineExitRequested())
		{
			return false;
		}
	}
	Commit.Reset();
	return true;
}

void FUerlPlay::RecordLast()
{
	for (FPlayer& Player : Players)
	{
		if (Player.Last.Num() > 0 && Player.Policy.IsValid() && Player.Agent.IsValid())
		{
			Player.Policy->Record(*Player.Agent.Get(), Player.Last, /* bLast = */ true);
		}
		Player.Last.Reset();
	}
}

TSharedRef<FUerlCommit> FUerlPlay::GetCommit()
{
	if (!Commit.IsValid())
	{
		Commit = MakeShared<FUerlCommit>([] {}); // nobody waits for a result
		bIsObserving = true;
	}
	return Commit.ToSharedRef();
}

void FUerlPlay::Observe(
	const FPlayer& Player, TArray<TArray<uint8>>& Rows, bool bFirst, bool bFinal)
{
	const FUerlObservation Observation{ Step, bFirst, bFinal, GetCommit() };
	for (int32 Index = 0; Index < Rows.Num(); Index++)
	{
		Player.Agent->Sensors[Index]->BeginObserve(Rows[Index], Observation);
	}
}

void FUerlPlay::FinishObserving()
{
	if (bIsObserving)
	{
		bIsObserving = false;
		Commit->Finish();
		Step++;
	}
}
