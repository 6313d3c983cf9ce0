// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlInfos.generated.h"

/** Steps of the episode and the sum of its rewards: two floats. */
UCLASS()
class UERLSHM_API UUerlEpisodeInfo : public UUerlInfo
{
	GENERATED_BODY()

public:
	virtual FName GetKind() const override
	{
		return TEXT("episode");
	}
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;
};

/** A sensor whose array stands beside the observation, such as a spectator's camera. */
UCLASS()
class UERLSHM_API UUerlSensorInfo : public UUerlInfo
{
	GENERATED_BODY()

public:
	/** The sensor. */
	UPROPERTY(EditAnywhere, Instanced, BlueprintReadOnly, Category = "UerlShm")
	TObjectPtr<UUerlSensor> Sensor;

	virtual FName GetKind() const override
	{
		return Sensor != nullptr ? Sensor->GetPartName() : FName(TEXT("sensor"));
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual void Reset_Implementation(const FUerlReset& Reset) override;
	virtual void AfterTick(float DeltaSeconds) override;
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;
	virtual void BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation) override;
};
