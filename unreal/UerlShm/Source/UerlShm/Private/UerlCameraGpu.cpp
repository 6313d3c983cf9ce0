// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlCameraGpu.h"

#include "Components/SceneCaptureComponent2D.h"
#include "Engine/TextureRenderTarget2D.h"
#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "Materials/MaterialInterface.h"
#include "Misc/App.h"
#include "UerlCommit.h"
#include "UerlReadback.h"
#include "UerlSettings.h"

void UUerlCameraGpuSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("pixel_latency"), PixelLatency, 0, 1);
}

bool UUerlCameraGpuSensor::Attach(FString& OutProblem)
{
	if (!Super::Attach(OutProblem))
	{
		return false;
	}
	if (!FApp::CanEverRender())
	{
		OutProblem = TEXT("a GPU camera under -nullrhi, expected a GPU: use camera_cpu, or start "
						  "with -RenderOffscreen");
		return false;
	}
	if (Picture == EUerlPicture::Segmentation && SegmentationMaterial == nullptr)
	{
		OutProblem = TEXT("a GPU camera for segmentation without SegmentationMaterial, expected a "
						  "post-process material that writes the custom stencil: set one, or use "
						  "segmentation_camera_cpu");
		return false;
	}
	Target = MakeTarget();
	Readback = MakeShared<FUerlReadback>(Picture, Width, Height, MaxDistance);
	return Target != nullptr;
}

UTextureRenderTarget2D* UUerlCameraGpuSensor::MakeTarget()
{
	const bool bDepth = Picture == EUerlPicture::Depth;
	UTextureRenderTarget2D* const Made = NewObject<UTextureRenderTarget2D>(this);
	Made->InitCustomFormat(
		Width, Height, bDepth ? PF_R32_FLOAT : PF_B8G8R8A8, /* bForceLinearGamma = */ bDepth);
	Made->UpdateResourceImmediate(/* bClearRenderTarget = */ true);
	SceneCapture = NewObject<USceneCaptureComponent2D>(Eye->GetOwner());
	SceneCapture->TextureTarget = Made;
	SceneCapture->CaptureSource = bDepth ? SCS_SceneDepth : SCS_FinalColorLDR;
	SceneCapture->FOVAngle = Fov;
	SceneCapture->bCaptureEveryFrame = false; // only when an observation asks for it
	SceneCapture->bCaptureOnMovement = false;
	SceneCapture->bAlwaysPersistRenderingState = true;
	SceneCapture->ShowFlags.SetMotionBlur(false);
	SceneCapture->ShowFlags.SetTemporalAA(false); // both would mix in pictures of other steps
	if (Picture == EUerlPicture::Segmentation)
	{
		SceneCapture->PostProcessSettings.AddBlendable(SegmentationMaterial.Get(), 1.0f);
	}
	if (bHidesOwner)
	{
		SceneCapture->HiddenActors.Add(GetActor());
	}
	SceneCapture->AttachToComponent(Eye, FAttachmentTransformRules::SnapToTargetNotIncludingScale);
	SceneCapture->RegisterComponent();
	return Made;
}

FUerlArray UUerlCameraGpuSensor::Describe() const
{
	FUerlArray Array = Super::Describe();
	Array.Latency = PixelLatency;
	return Array;
}

void UUerlCameraGpuSensor::Capture()
{
	SceneCapture->CaptureScene();
}

void UUerlCameraGpuSensor::Observe(TArrayView<uint8> Row)
{
	checkf(false, TEXT("a GPU camera has no picture at once: BeginFrame is what is called"));
}

// Without latency, and at the start of an episode, the row waits for this step's picture. With it
// the row takes the picture of the step before, which mostly is there already.
void UUerlCameraGpuSensor::BeginFrame(TArrayView<uint8> Frame, const FUerlObservation& Observation)
{
	const FUerlPictureRow Wanted = { Frame, Observation.PictureStep, Observation.Commit };
	const bool bWaits = PixelLatency == 0 || Observation.bFirst || !Previous.IsValid();
	const int64 NumKept = PixelLatency == 0 ? 0 : Readback->NumBytes();
	const TSharedRef<FUerlPicture> Drawn =
		MakeShared<FUerlPicture>(Observation.Step, NumKept, bWaits ? Wanted : FUerlPictureRow());
	Observation.Commit->Begin();
	if (!bWaits)
	{
		Previous->Deliver(Wanted);
	}
	Capture();
	Readback->Start(*Target->GameThread_GetRenderTargetResource(), Drawn);
	if (PixelLatency > 0)
	{
		Previous = Drawn;
	}
}

UUerlDepthCameraGpuSensor::UUerlDepthCameraGpuSensor()
{
	Picture = EUerlPicture::Depth;
}

void UUerlRenderTargetSensor::Configure(FUerlSettings& Settings)
{
	FString Path;
	Super::Configure(Settings);
	Settings.Read(TEXT("render_target"), Path);
	if (!Path.IsEmpty())
	{
		RenderTarget = LoadObject<UTextureRenderTarget2D>(nullptr, *Path);
	}
	if (!Path.IsEmpty() && RenderTarget == nullptr)
	{
		Settings.AddProblem(FString::Printf(TEXT("has render_target '%s', which cannot be loaded, "
												 "expected the path of a UTextureRenderTarget2D"),
			*Path));
	}
}

bool UUerlRenderTargetSensor::Attach(FString& OutProblem)
{
	if (RenderTarget == nullptr)
	{
		OutProblem =
			TEXT("no render target is set, expected a UTextureRenderTarget2D of format RTF_RGBA8");
		return false;
	}
	if (RenderTarget->GetFormat() != PF_B8G8R8A8 || Picture == EUerlPicture::Depth)
	{
		OutProblem =
			FString::Printf(TEXT("render target %s has another format, expected RTF_RGBA8"),
				*RenderTarget->GetName());
		return false;
	}
	Width = RenderTarget->SizeX;
	Height = RenderTarget->SizeY;
	return Super::Attach(OutProblem);
}

UTextureRenderTarget2D* UUerlRenderTargetSensor::MakeTarget()
{
	return RenderTarget;
}

void UUerlRenderTargetSensor::Capture()
{
	// Whoever owns the target draws it.
}
