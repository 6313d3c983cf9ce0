// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlCamera.generated.h"

class FUerlFrameStack;
class USceneComponent;

/** What a camera's pixels are. */
UENUM(BlueprintType)
enum class EUerlPicture : uint8
{
	/** Bytes: red, green, blue. */
	Color,
	/** One byte of luma. */
	Gray,
	/** One float: how far away what is seen is, in centimetres along the view, at most MaxDistance.
	 */
	Depth,
	/** One byte: the custom stencil value of what is seen; 0: none. */
	Segmentation,
};

/** A picture of what is before a component of the agent. */
UCLASS(Abstract)
class UERLSHM_API UUerlCameraSensor : public UUerlSensor
{
	GENERATED_BODY()

public:
	/** Component that looks; empty: the actor's root. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName AttachToCompName;

	/** Name or tag of the actor that looks; empty: the agent. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName AttachToActorName;

	/** Pixels of a row. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 Width = 72;

	/** Rows of pixels. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 Height = 72;

	/** Angle of view from left to right, in degrees. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float Fov = 90.0f;

	/** How far it sees, in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float MaxDistance = 15000.0f;

	/** What its pixels are. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	EUerlPicture Picture = EUerlPicture::Color;

	/** Do not show the agent itself. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bHidesOwner = true;

	/** Pictures in one observation, the oldest first, in the axis of the channels. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 FrameStackSize = 1;

	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;

	/** Height, width, channels of all frames: bytes, but floats of a depth camera. */
	virtual FUerlArray Describe() const override;

	/** Stacks what BeginFrame() writes. */
	virtual void BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation) override;

	virtual bool IsPicture() const override
	{
		return true;
	}

protected:
	/** Writes one picture, now or later; as BeginObserve() of a sensor does. */
	virtual void BeginFrame(TArrayView<uint8> Frame, const FUerlObservation& Observation);

	/** Of one picture. */
	int32 GetNumChannels() const
	{
		return Picture == EUerlPicture::Color ? 3 : 1;
	}

	/** The component that looks: its transform is the camera's. */
	UPROPERTY(Transient)
	TObjectPtr<USceneComponent> Eye;

private:
	TSharedPtr<FUerlFrameStack> Stack;
};
