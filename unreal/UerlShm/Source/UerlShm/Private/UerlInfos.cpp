// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlInfos.h"

#include "GameFramework/Actor.h"
#include "UerlAgentComponent.h"

FUerlArray UUerlEpisodeInfo::Describe() const
{
	return FUerlArray::Floats({ 2 });
}

void UUerlEpisodeInfo::Observe(TArrayView<uint8> Row)
{
	const float Values[] = { static_cast<float>(GetAgent()->GetEpisodeSteps()),
		GetAgent()->GetEpisodeReward() };
	FMemory::Memcpy(Row.GetData(), Values, sizeof(Values));
}

FUerlArray UUerlLocationInfo::Describe() const
{
	return FUerlArray::Floats({ 3 });
}

void UUerlLocationInfo::Observe(TArrayView<uint8> Row)
{
	const FVector Location = GetActor()->GetActorLocation();
	const float Values[] = { static_cast<float>(Location.X), static_cast<float>(Location.Y),
		static_cast<float>(Location.Z) };
	FMemory::Memcpy(Row.GetData(), Values, sizeof(Values));
}
