// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlTerminators.h"

#include "GameFramework/Actor.h"
#include "UerlAgentComponent.h"
#include "UerlSettings.h"

void UUerlStepCounterTerminator::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("max_steps"), MaxSteps, 1, MAX_int32);
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
