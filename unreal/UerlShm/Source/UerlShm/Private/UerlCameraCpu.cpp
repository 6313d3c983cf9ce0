// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlCameraCpu.h"

#include "Async/ParallelFor.h"
#include "CollisionQueryParams.h"
#include "Components/PrimitiveComponent.h"
#include "Engine/HitResult.h"
#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "Materials/MaterialInterface.h"
#include "UerlColorTable.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

static constexpr double BaseBrightness = 0.625;
static constexpr double LitBrightness = 0.375;

static double GetBrightness(const FVector& Normal)
{
	static const FVector ToLight(0.36, 0.48, 0.8); // of length 1
	return BaseBrightness + LitBrightness * FVector::DotProduct(Normal, ToLight);
}

static uint8 Shade(uint8 Value, float Brightness)
{
	return static_cast<uint8>(Value * Brightness + 0.5f);
}

bool UUerlCameraCpuSensor::Attach(FString& OutProblem)
{
	if (!Super::Attach(OutProblem))
	{
		return false;
	}
	if (!(MaxDistance > 0.0f))
	{
		OutProblem = FString::Printf(
			TEXT("a camera that sees %g cm far, expected more than 0: set MaxDistance"),
			MaxDistance);
		return false;
	}
	if (ColorTable == nullptr)
	{
		ColorTable = UUerlColorTable::LoadProjectTable();
	}
	const double HalfWidth = FMath::Tan(FMath::DegreesToRadians(Fov / 2.0));
	Across.SetNum(Width);
	Upward.SetNum(Height);
	for (int32 X = 0; X < Width; X++)
	{
		Across[X] = HalfWidth * (2 * X + 1 - Width) / Width;
	}
	for (int32 Y = 0; Y < Height; Y++)
	{
		Upward[Y] = HalfWidth * (Height - 2 * Y - 1) / Width; // pixels are square
	}
	Samples.SetNum(Width * Height);
	Pixels.SetNum(Width * Height);
	return true;
}

// Rays only ask the physics scene, which any thread may; components and materials are looked at
// later, by the game thread.
void UUerlCameraCpuSensor::Trace()
{
	const FTransform Transform = Eye->GetComponentTransform();
	const FVector Start = Transform.GetLocation();
	const FVector Forward = Transform.TransformVectorNoScale(FVector::ForwardVector);
	const FVector Right = Transform.TransformVectorNoScale(FVector::RightVector);
	const FVector Up = Transform.TransformVectorNoScale(FVector::UpVector);
	const UWorld* const World = Eye->GetWorld();
	FCollisionQueryParams Params(SCENE_QUERY_STAT(UerlCameraCpu), /* bTraceComplex = */ true,
		bHidesOwner ? GetActor() : nullptr);
	Params.bReturnFaceIndex = true;
	ParallelFor(Height,
		[&](int32 Y)
		{
			for (int32 X = 0; X < Width; X++)
			{
				// One along the view, so that the time of a hit is its depth.
				const FVector Ray = Forward + Right * Across[X] + Up * Upward[Y];
				FHitResult Hit;
				FSample& Sample = Samples[Y * Width + X];
				Sample = FSample();
				if (World->LineTraceSingleByChannel(
						Hit, Start, Start + Ray * MaxDistance, Channel, Params))
				{
					Sample.Component = Hit.GetComponent();
					Sample.Time = Hit.Time;
					Sample.Brightness = static_cast<float>(GetBrightness(Hit.ImpactNormal));
					Sample.FaceIndex = Hit.FaceIndex;
				}
			}
		});
}

FColor UUerlCameraCpuSensor::GetColor(const FSample& Sample)
{
	const UPrimitiveComponent* const Component = Sample.Component.Get();
	if (Component == nullptr)
	{
		return SkyColor;
	}
	int32 Section = 0;
	const UMaterialInterface* Material =
		Sample.FaceIndex == INDEX_NONE
			? nullptr
			: Component->GetMaterialFromCollisionFaceIndex(Sample.FaceIndex, Section);
	if (Material == nullptr) // boxes, capsules, and meshes whose triangles were not kept
	{
		Material = Component->GetMaterial(0);
	}
	const FColor* const Known = KnownColors.Find(Material);
	const FColor Color = Known != nullptr ? *Known
										  : KnownColors.Add(Material,
												UUerlColorTable::GetColor(ColorTable, Material));
	return FColor(Shade(Color.R, Sample.Brightness), Shade(Color.G, Sample.Brightness),
		Shade(Color.B, Sample.Brightness));
}

void UUerlCameraCpuSensor::WriteColors(TArrayView<uint8> Row)
{
	for (int32 Index = 0; Index < Samples.Num(); Index++)
	{
		Pixels[Index] = GetColor(Samples[Index]);
	}
	uerl_pixels_from_bgra(Row.GetData(),
		Picture == EUerlPicture::Color ? UERL_PIXELS_RGB : UERL_PIXELS_GRAY, Pixels.GetData(),
		Width, Height, static_cast<uint64>(Width) * sizeof(FColor));
}

void UUerlCameraCpuSensor::WriteDepths(TArrayView<uint8> Row) const
{
	float* const Depths = reinterpret_cast<float*>(Row.GetData());
	for (int32 Index = 0; Index < Samples.Num(); Index++)
	{
		Depths[Index] = FMath::Clamp(Samples[Index].Time * MaxDistance, 0.0f, MaxDistance);
	}
}

void UUerlCameraCpuSensor::WriteStencils(TArrayView<uint8> Row) const
{
	for (int32 Index = 0; Index < Samples.Num(); Index++)
	{
		const UPrimitiveComponent* const Component = Samples[Index].Component.Get();
		const int32 Value = Component != nullptr ? Component->CustomDepthStencilValue : 0;
		Row[Index] = static_cast<uint8>(FMath::Clamp(Value, 0, 255));
	}
}

void UUerlCameraCpuSensor::Observe(TArrayView<uint8> Row)
{
	Trace();
	switch (Picture)
	{
		case EUerlPicture::Depth:
			WriteDepths(Row);
			break;
		case EUerlPicture::Segmentation:
			WriteStencils(Row);
			break;
		default:
			WriteColors(Row);
			break;
	}
}

UUerlDepthCameraCpuSensor::UUerlDepthCameraCpuSensor()
{
	Picture = EUerlPicture::Depth;
}

UUerlSegmentationCameraCpuSensor::UUerlSegmentationCameraCpuSensor()
{
	Picture = EUerlPicture::Segmentation;
}
