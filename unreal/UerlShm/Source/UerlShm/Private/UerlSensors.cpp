// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSensors.h"

#include "Components/SceneComponent.h"
#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "UerlSettings.h"

void UUerlFloatsSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("attach_to_comp_name"), AttachToCompName);
}

bool UUerlFloatsSensor::Attach(FString& OutProblem)
{
	Component = FindSceneComponent(AttachToCompName, OutProblem);
	return Component != nullptr;
}

FUerlArray UUerlFloatsSensor::Describe() const
{
	return FUerlArray::Floats({ NumFloats() });
}

void UUerlFloatsSensor::Observe(TArrayView<uint8> Row)
{
	Measure(TArrayView<float>(reinterpret_cast<float*>(Row.GetData()), NumFloats()));
}

static void Write(TArrayView<float> Values, double X, double Y, double Z)
{
	Values[0] = static_cast<float>(X);
	Values[1] = static_cast<float>(Y);
	Values[2] = static_cast<float>(Z);
}

void UUerlLocationSensor::Measure(TArrayView<float> Values)
{
	const FVector Location = Component->GetComponentLocation();
	Write(Values, Location.X, Location.Y, Location.Z);
}

void UUerlRotationSensor::Measure(TArrayView<float> Values)
{
	const FRotator Rotation = Component->GetComponentRotation();
	Write(Values, Rotation.Pitch, Rotation.Yaw, Rotation.Roll);
}

void UUerlVelocitySensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("local"), bLocal);
}

void UUerlVelocitySensor::Measure(TArrayView<float> Values)
{
	FVector Velocity = Component->GetComponentVelocity();
	if (bLocal)
	{
		Velocity = Component->GetComponentTransform().InverseTransformVectorNoScale(Velocity);
	}
	Write(Values, Velocity.X, Velocity.Y, Velocity.Z);
}

void UUerlDistanceSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("target_actor_name"), TargetActorName);
}

bool UUerlDistanceSensor::Attach(FString& OutProblem)
{
	Target = FindActor(TargetActorName, OutProblem);
	return Target != nullptr && Super::Attach(OutProblem);
}

void UUerlDistanceSensor::Measure(TArrayView<float> Values)
{
	Values[0] = static_cast<float>(
		FVector::Dist(Component->GetComponentLocation(), Target->GetActorLocation()));
}

void UUerlRayFanSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("num_rays"), NumRays, 1, 4096);
	Settings.Read(TEXT("num_rows"), NumRows, 1, 4096);
	Settings.Read(TEXT("angle"), Angle);
	Settings.Read(TEXT("vertical_angle"), VerticalAngle);
	Settings.Read(TEXT("max_distance"), MaxDistance);
}

FUerlArray UUerlRayFanSensor::Describe() const
{
	return NumRows == 1 ? FUerlArray::Floats({ NumRays }, 0.0, 1.0)
						: FUerlArray::Floats({ NumRows, NumRays }, 0.0, 1.0);
}

// The angle of entry Index of Count that are spread evenly over Width degrees.
static double Spread(int32 Index, int32 Count, double Width)
{
	return Count == 1 ? 0.0 : Width * (static_cast<double>(Index) / (Count - 1) - 0.5);
}

void UUerlRayFanSensor::Measure(TArrayView<float> Values)
{
	const FTransform& Transform = Component->GetComponentTransform();
	const FVector Start = Transform.GetLocation();
	FCollisionQueryParams Params(
		SCENE_QUERY_STAT(UerlRayFan), /* bTraceComplex = */ false, GetActor());
	for (int32 Ray = 0; Ray < Values.Num(); Ray++)
	{
		const double Pitch = -Spread(Ray / NumRays, NumRows, VerticalAngle);
		const double Yaw = Spread(Ray % NumRays, NumRays, Angle);
		const FVector Direction =
			Transform.TransformVectorNoScale(FRotator(Pitch, Yaw, 0.0).Vector());
		FHitResult Hit;
		const bool bHit = Component->GetWorld()->LineTraceSingleByChannel(
			Hit, Start, Start + Direction * MaxDistance, ECC_Visibility, Params);
		Values[Ray] = bHit ? Hit.Time : 1.0f;
	}
}

void UUerlBlueprintSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("num_values"), NumValues, 1, 1 << 20);
}

FUerlArray UUerlBlueprintSensor::Describe() const
{
	return FUerlArray::Floats({ NumValues });
}

void UUerlBlueprintSensor::Observe(TArrayView<uint8> Row)
{
	TArray<float> Values;
	Values.SetNumZeroed(NumValues);
	Measure(Values);
	const int32 NumWritten = FMath::Min(Values.Num(), NumValues); // a Blueprint may resize it
	FMemory::Memcpy(Row.GetData(), Values.GetData(), NumWritten * sizeof(float));
}
