// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlInfos.h"

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

void UUerlSensorInfo::Configure(FUerlSettings& Settings)
{
	if (Sensor == nullptr)
	{
		Super::Configure(Settings); // Attach() tells
		return;
	}
	Sensor->Configure(Settings);
	PartName = Sensor->PartName;
}

bool UUerlSensorInfo::Attach(FString& OutProblem)
{
	if (Sensor == nullptr)
	{
		OutProblem = TEXT("no sensor is set, expected the kind of one, such as location");
		return false;
	}
	return Sensor->Attach(OutProblem);
}

void UUerlSensorInfo::Reset_Implementation(const FUerlReset& Reset)
{
	Sensor->Reset(Reset);
}

void UUerlSensorInfo::AfterTick(float DeltaSeconds)
{
	Sensor->AfterTick(DeltaSeconds);
}

FUerlArray UUerlSensorInfo::Describe() const
{
	return Sensor != nullptr ? Sensor->Describe() : FUerlArray();
}

void UUerlSensorInfo::Observe(TArrayView<uint8> Row)
{
	Sensor->Observe(Row);
}

void UUerlSensorInfo::BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation)
{
	Sensor->BeginObserve(Row, Observation);
}
