// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Engine/EngineTypes.h"
#include "UerlSensors.h"
#include "UerlDistanceTracer.generated.h"

class FUerlFrameStack;

/**
 * UERL's fan of rays: how near what each of them hits is, or how far away.
 *
 * Ray I of N points 2 HalfAngle / N (I - N / 2) degrees to the right of the fan's forward, around
 * the world's up; N / 2 is rounded down. With one ray it points forward.
 */
UCLASS()
class UERLSHM_API UUerlDistanceTracerSensor : public UUerlFloatsSensor
{
	GENERATED_BODY()

public:
	/** Rays, from left to right. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 NumTraces = 10;

	/** The fan reaches so far to either side, in degrees. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float HalfAngle = 90.0f;

	/** Length of a ray, in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float TraceLength = 3700.0f;

	/** Distances as a share of TraceLength; else in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bNormalise = true;

	/** Name of the trace channel, as the project's collision settings show it. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName TraceChannel = TEXT("Visibility");

	/** How the fan is turned, relative to the component. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FRotator Rotation = FRotator::ZeroRotator;

	/** Where the rays begin, relative to the component, in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FVector Location = FVector::ZeroVector;

	/** Near is large, and a ray that hits nothing is 0; else it is the longest distance. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bInvertValues = true;

	/** Steps in one observation, the oldest first. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 FrameStackSize = 1;

	/** Shape (NumTraces, FrameStackSize); else whole frames stand one after the other. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bOutputStackedShape = false;

	virtual FName GetKind() const override
	{
		return TEXT("distance_tracer");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual FUerlArray Describe() const override;
	virtual void BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation) override;

protected:
	virtual int32 NumFloats() const override
	{
		return NumTraces; // of one frame
	}
	virtual void Measure(TArrayView<float> Values) override;

private:
	bool FindChannel(FString& OutProblem);

	ECollisionChannel Channel = ECC_Visibility;
	TSharedPtr<FUerlFrameStack> Stack;
};
