// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlDistanceTracer.h"

#include "CollisionQueryParams.h"
#include "Components/SceneComponent.h"
#include "Engine/CollisionProfile.h"
#include "Engine/HitResult.h"
#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "UerlFrameStack.h"
#include "UerlSettings.h"

void UUerlDistanceTracerSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("num_traces"), NumTraces, 1, 4096);
	Settings.Read(TEXT("half_angle"), HalfAngle);
	Settings.Read(TEXT("trace_length"), TraceLength);
	Settings.Read(TEXT("should_normalise"), bNormalise);
	Settings.Read(TEXT("trace_channel"), TraceChannel);
	Settings.Read(TEXT("rotation"), Rotation);
	Settings.Read(TEXT("location"), Location);
	Settings.Read(TEXT("invert_values"), bInvertValues);
	Settings.Read(TEXT("frame_stack_size"), FrameStackSize, 1, 1024);
	Settings.Read(TEXT("output_stacked_shape"), bOutputStackedShape);
}

bool UUerlDistanceTracerSensor::FindChannel(FString& OutProblem)
{
	FString Known;
	for (int32 Index = 0; Index < ECC_MAX; Index++)
	{
		const FName Name = UCollisionProfile::Get()->ReturnChannelNameFromContainerIndex(Index);
		if (Name == TraceChannel && !Name.IsNone())
		{
			Channel = static_cast<ECollisionChannel>(Index);
			return true;
		}
		Known += Name.IsNone() ? FString() : TEXT(" ") + Name.ToString();
	}
	OutProblem = FString::Printf(
		TEXT("trace channel '%s' not found, expected one of:%s"), *TraceChannel.ToString(), *Known);
	return false;
}

bool UUerlDistanceTracerSensor::Attach(FString& OutProblem)
{
	if (NumTraces < 1 || FrameStackSize < 1 || !(TraceLength > 0.0f))
	{
		OutProblem =
			FString::Printf(TEXT("%d rays of %g cm in %d frames, expected more than 0 of each"),
				NumTraces, TraceLength, FrameStackSize);
		return false;
	}
	Stack = bOutputStackedShape
				? MakeShared<FUerlFrameStack>(FrameStackSize, NumTraces, sizeof(float))
				: MakeShared<FUerlFrameStack>(FrameStackSize, 1, NumTraces * sizeof(float));
	return FindChannel(OutProblem) && Super::Attach(OutProblem);
}

FUerlArray UUerlDistanceTracerSensor::Describe() const
{
	const double High = bNormalise ? 1.0 : TraceLength;
	return bOutputStackedShape ? FUerlArray::Floats({ NumTraces, FrameStackSize }, 0.0, High)
							   : FUerlArray::Floats({ NumTraces * FrameStackSize }, 0.0, High);
}

void UUerlDistanceTracerSensor::BeginObserve(
	TArrayView<uint8> Row, const FUerlObservation& Observation)
{
	Stack->Observe(Row, Observation,
		[this](TArrayView<uint8> Frame, const FUerlObservation& OfFrame)
		{ Super::BeginObserve(Frame, OfFrame); });
}

void UUerlDistanceTracerSensor::Measure(TArrayView<float> Values)
{
	const FTransform& Transform = Component->GetComponentTransform();
	const FVector Start = Transform.TransformPosition(Location);
	const FVector Forward = Transform.TransformVectorNoScale(Rotation.Vector());
	const double Between = 2.0 * HalfAngle / NumTraces;
	const FCollisionQueryParams Params(
		SCENE_QUERY_STAT(UerlDistanceTracer), /* bTraceComplex = */ true, GetActor());
	for (int32 Ray = 0; Ray < NumTraces; Ray++)
	{
		const FVector Direction =
			FRotator(0.0, Between * (Ray - NumTraces / 2), 0.0).RotateVector(Forward);
		FHitResult Hit;
		const bool bHit = Component->GetWorld()->LineTraceSingleByChannel(
			Hit, Start, Start + Direction * TraceLength, Channel, Params);
		const float Share = bHit ? Hit.Time : 1.0f;
		Values[Ray] = (bInvertValues ? 1.0f - Share : Share) * (bNormalise ? 1.0f : TraceLength);
	}
}
