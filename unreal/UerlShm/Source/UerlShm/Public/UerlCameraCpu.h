// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Engine/EngineTypes.h"
#include "UObject/ObjectKey.h"
#include "UerlCamera.h"
#include "UerlCameraCpu.generated.h"

class UMaterialInterface;
class UPrimitiveComponent;
class UUerlColorTable;

/**
 * A camera that needs no GPU: one ray for each pixel against collision geometry, on all cores.
 *
 * It sees what blocks its channel, also what is hidden in the game, and nothing else: no textures,
 * no lights, no shadows, no landscape materials. A pixel's colour is its material's colour of the
 * table times 5/8 + 3/8 N.L, where N is the normal of what is hit and L = (0.36, 0.48, 0.8) points
 * to a light that never moves. Depth and segmentation come from the same rays.
 *
 * Pixels are those of a GPU camera: a pinhole, rays through the middles of pixels, rows from top to
 * bottom. What is farther than MaxDistance along the view is sky.
 */
UCLASS()
class UERLSHM_API UUerlCameraCpuSensor : public UUerlCameraSensor
{
	GENERATED_BODY()

public:
	/** Colours of materials; empty: the project's table, which Uerl.BakeColors makes. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TObjectPtr<UUerlColorTable> ColorTable;

	/** Colour where no ray hits anything. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FColor SkyColor = FColor(135, 206, 235);

	/**
	 * What blocks this channel is seen. The engine's profiles Pawn and CharacterMesh ignore
	 * Visibility and block Camera; InvisibleWall the other way round.
	 */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TEnumAsByte<ECollisionChannel> Channel = ECC_Visibility;

	virtual FName GetKind() const override
	{
		return TEXT("camera_cpu");
	}
	virtual bool Attach(FString& OutProblem) override;
	virtual void Observe(TArrayView<uint8> Row) override;

private:
	/** What a pixel's ray has hit. */
	struct FSample
	{
		/** Null: nothing. */
		TWeakObjectPtr<UPrimitiveComponent> Component;

		/** Where along the view, as a share of MaxDistance. */
		float Time = 1.0f;

		/** What its material's colour is multiplied by. */
		float Brightness = 1.0f;

		int32 FaceIndex = INDEX_NONE;
	};

	void Trace();
	FColor GetColor(const FSample& Sample);
	void WriteColors(TArrayView<uint8> Row);
	void WriteDepths(TArrayView<uint8> Row) const;
	void WriteStencils(TArrayView<uint8> Row) const;

	/** Ray of pixel (X, Y): forward + Across[X] right + Upward[Y] up. */
	TArray<double> Across;
	TArray<double> Upward;

	/** Of every pixel, row by row; kept, so that a step allocates nothing. */
	TArray<FSample> Samples;
	TArray<FColor> Pixels;

	/** Of materials that were seen. */
	TMap<TObjectKey<UMaterialInterface>, FColor> KnownColors;
};

/** The depth that a CPU camera sees. */
UCLASS()
class UERLSHM_API UUerlDepthCameraCpuSensor : public UUerlCameraCpuSensor
{
	GENERATED_BODY()

public:
	UUerlDepthCameraCpuSensor();

	virtual FName GetKind() const override
	{
		return TEXT("depth_camera_cpu");
	}
};

/** The custom stencil values that a CPU camera sees. */
UCLASS()
class UERLSHM_API UUerlSegmentationCameraCpuSensor : public UUerlCameraCpuSensor
{
	GENERATED_BODY()

public:
	UUerlSegmentationCameraCpuSensor();

	virtual FName GetKind() const override
	{
		return TEXT("segmentation_camera_cpu");
	}
};
