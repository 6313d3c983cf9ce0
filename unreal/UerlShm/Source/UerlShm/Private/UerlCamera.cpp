// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlCamera.h"

#include "Components/SceneComponent.h"
#include "GameFramework/Actor.h"
#include "UerlSettings.h"

static constexpr int32 MaxSide = 8192;

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
	Settings.Ignore(TEXT("use_gpu")); // it has chosen the class
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
		return FUerlArray::Floats({ Height, Width, 1 }, 0.0, MaxDistance);
	}
	return FUerlArray::Image(Height, Width, GetNumChannels());
}
