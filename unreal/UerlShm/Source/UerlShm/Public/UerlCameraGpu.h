// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlCamera.h"
#include "UerlCameraGpu.generated.h"

class FUerlPicture;
class FUerlReadback;
class UMaterialInterface;
class USceneCaptureComponent2D;
class UTextureRenderTarget2D;

/**
 * A camera that the GPU draws.
 *
 * Nobody stalls: the game thread asks for a capture and goes on, the render thread asks for a copy,
 * a task looks whether it is there, and the copy into the learner's row is the conversion. The
 * command's result is sent by whoever finishes last.
 *
 * It needs a GPU: under -nullrhi use camera_cpu.
 */
UCLASS()
class UERLSHM_API UUerlCameraGpuSensor : public UUerlCameraSensor
{
	GENERATED_BODY()

public:
	/** 1: each observation has the picture of the step before, and no step waits for the GPU. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm",
		meta = (ClampMin = "0", ClampMax = "1"))
	int32 PixelLatency = 0;

	/** Of a segmentation camera: a post-process material of the project's that writes CustomStencil
	 * / 255 as red, green and blue. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TObjectPtr<UMaterialInterface> SegmentationMaterial;

	virtual FName GetKind() const override
	{
		return TEXT("camera_gpu");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;

protected:
	virtual void BeginFrame(TArrayView<uint8> Frame, const FUerlObservation& Observation) override;

	/** The target that is read; a capture of our own, drawn when an observation asks for it. */
	virtual UTextureRenderTarget2D* MakeTarget();

	/** Draws what will be read. */
	virtual void Capture();

	UPROPERTY(Transient)
	TObjectPtr<UTextureRenderTarget2D> Target;

private:
	UPROPERTY(Transient)
	TObjectPtr<USceneCaptureComponent2D> SceneCapture;

	TSharedPtr<FUerlReadback> Readback;

	/** With latency: the picture of the step before. */
	TSharedPtr<FUerlPicture> Previous;
};

/** The depth that a GPU camera sees. */
UCLASS()
class UERLSHM_API UUerlDepthCameraGpuSensor : public UUerlCameraGpuSensor
{
	GENERATED_BODY()

public:
	UUerlDepthCameraGpuSensor();

	virtual FName GetKind() const override
	{
		return TEXT("depth_camera_gpu");
	}
};

/** A render target that somebody else draws: any UTextureRenderTarget2D of format RTF_RGBA8. */
UCLASS()
class UERLSHM_API UUerlRenderTargetSensor : public UUerlCameraGpuSensor
{
	GENERATED_BODY()

public:
	/** The target; its size is the picture's. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TObjectPtr<UTextureRenderTarget2D> RenderTarget;

	virtual FName GetKind() const override
	{
		return TEXT("render_target");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;

protected:
	virtual UTextureRenderTarget2D* MakeTarget() override;
	virtual void Capture() override;
};
