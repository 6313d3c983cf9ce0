// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlTerminators.h"

#include "Engine/World.h"
#include "EngineUtils.h"
#include "GameFramework/Actor.h"
#include "UerlAgentComponent.h"
#include "UerlClasses.h"
#include "UerlSettings.h"

void UUerlStepCounterTerminator::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("max_step_count"), MaxSteps, 1, MAX_int32);
}

EUerlEnd UUerlStepCounterTerminator::GetEnd_Implementation()
{
	return GetAgent()->GetEpisodeSteps() >= MaxSteps ? EUerlEnd::Truncated : EUerlEnd::GoesOn;
}

void UUerlVolumeTerminator::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("volume_name"), VolumeName);
	Settings.Read(TEXT("when_outside"), bWhenOutside);
}

bool UUerlVolumeTerminator::Attach(FString& OutProblem)
{
	Volume = FindActor(VolumeName, OutProblem);
	return Volume != nullptr;
}

EUerlEnd UUerlVolumeTerminator::GetEnd_Implementation()
{
	const bool bInside =
		IsValid(Volume) && Volume->GetComponentsBoundingBox(/* bNonColliding = */ true)
							   .IsInside(GetActor()->GetActorLocation());
	return bInside != bWhenOutside ? EUerlEnd::Terminated : EUerlEnd::GoesOn;
}

bool UUerlOnHitTerminator::Attach(FString& OutProblem)
{
	GetActor()->OnActorHit.AddDynamic(this, &UUerlOnHitTerminator::OnHit);
	return true;
}

void UUerlOnHitTerminator::OnHit(
	AActor* Agent, AActor* Other, FVector NormalImpulse, const FHitResult& Hit)
{
	bWasHit = true;
}

void UUerlOnHitTerminator::Reset_Implementation(const FUerlReset& Reset)
{
	bWasHit = false;
}

EUerlEnd UUerlOnHitTerminator::GetEnd_Implementation()
{
	return bWasHit ? EUerlEnd::Terminated : EUerlEnd::GoesOn;
}

void UUerlActorsFinishedTerminator::Configure(FUerlSettings& Settings)
{
	FString Name, Problem;
	Super::Configure(Settings);
	Settings.Read(TEXT("actors_class_to_check"), Name);
	ActorsClass = UerlClasses::FindActorClass(Name, Problem);
	if (ActorsClass == nullptr)
	{
		Settings.AddProblem(TEXT("has 'actors_class_to_check': ") + Problem);
	}
}

bool UUerlActorsFinishedTerminator::Attach(FString& OutProblem)
{
	if (ActorsClass == nullptr)
	{
		OutProblem = TEXT("no class of actors is set, expected one: set ActorsClass");
	}
	return ActorsClass != nullptr;
}

EUerlEnd UUerlActorsFinishedTerminator::GetEnd_Implementation()
{
	for (TActorIterator<AActor> Actor(GetActor()->GetWorld(), ActorsClass); Actor; ++Actor)
	{
		if (!Actor->IsHidden())
		{
			return EUerlEnd::GoesOn;
		}
	}
	return EUerlEnd::Terminated;
}
