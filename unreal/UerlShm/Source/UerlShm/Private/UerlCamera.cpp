// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlCamera.h"

#include "Components/SceneComponent.h"
#include "GameFramework/Actor.h"
#include "UerlFrameStack.h"
#include "UerlSettings.h"

static constexpr int32 MaxSide = 8192;
static constexpr int32 MaxFrames = 1024;

void UUerlCameraSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	bool bGrayscale = Picture == EUerlPicture::Gray;
	bool bShowsOwner = !bHidesOwner;
	Settings.Read(TEXT("attach_to_comp_name"), AttachToCompName);
	Settings.Read(TEXT("attach_to_actor_name"), AttachToActorName);
	Settings.Read(TEXT("width"), Width, 1, MaxSide);
	Settings.Read(TEXT("height"), Height, 1, MaxSide);
	Settings.Read(TEXT("max_distance"), MaxDistance);
	Settings.Read(TEXT("fov"), Fov);
	Settings.Read(TEXT("grayscale"), bGrayscale);
	Settings.Read(TEXT("render_owner"), bShowsOwner);
	Settings.Read(TEXT("frame_stack_size"), FrameStackSize, 1, MaxFrames);
	Settings.Ignore(TEXT("use_gpu"));	// it has chosen the class
	Settings.Ignore(TEXT("srgb"));		// bytes are what a screen would show
	Settings.Ignore(TEXT("normalise")); // in UERL, too, arrays are bytes
	if (bGrayscale && Picture == EUerlPicture::Color)
	{
		Picture = EUerlPicture::Gray;
	}
	bHidesOwner = !bShowsOwner;
}

bool UUerlCameraSensor::Attach(FString& OutProblem)
{
	if (Width < 1 || Height < 1 || Width > MaxSide || Height > MaxSide || Fov < 1.0f ||
		Fov > 179.0f)
	{
		OutProblem = FString::Printf(TEXT("a camera of %d x %d pixels and %g degrees, expected "
										  "sides from 1 to %d and an angle from 1 to 179"),
			Width, Height, Fov, MaxSide);
		return false;
	}
	if (AttachToActorName.IsNone())
	{
		Eye = FindSceneComponent(AttachToCompName, OutProblem);
		return Eye != nullptr;
	}
	const AActor* const Actor = FindActor(AttachToActorName, OutProblem);
	Eye = Actor != nullptr ? Actor->GetRootComponent() : nullptr;
	return Eye != nullptr;
}

FUerlArray UUerlCameraSensor::Describe() const
{
	if (Picture == EUerlPicture::Depth)
	{
		return FUerlArray::Floats({ Height, Width, FrameStackSize }, 0.0, MaxDistance);
	}
	return FUerlArray::Image(Height, Width, GetNumChannels() * FrameStackSize);
}

void UUerlCameraSensor::BeginFrame(TArrayView<uint8> Frame, const FUerlObservation& Observation)
{
	Super::BeginObserve(Frame, Observation);
}

void UUerlCameraSensor::BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation)
{
	if (FrameStackSize == 1)
	{
		BeginFrame(Row, Observation); // straight into the learner's memory
		return;
	}
	if (!Stack.IsValid())
	{
		const int32 ValueBytes = Picture == EUerlPicture::Depth ? sizeof(float) : 1;
		Stack = MakeShared<FUerlFrameStack>(
			FrameStackSize, Width * Height, GetNumChannels() * ValueBytes);
	}
	Stack->Observe(Row, Observation,
		[this](TArrayView<uint8> Frame, const FUerlObservation& OfFrame)
		{ BeginFrame(Frame, OfFrame); });
}
