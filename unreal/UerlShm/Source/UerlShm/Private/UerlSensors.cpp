// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSensors.h"

#include "Components/SceneComponent.h"
#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "GameFramework/Pawn.h"
#include "GameFramework/PawnMovementComponent.h"
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

static void WriteVector(TArrayView<float> Values, const FVector& Vector)
{
	Values[0] = static_cast<float>(Vector.X);
	Values[1] = static_cast<float>(Vector.Y);
	Values[2] = static_cast<float>(Vector.Z);
}

void UUerlLocationSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("normalise"), bNormalise);
	Settings.Read(TEXT("minimum_location"), MinimumLocation);
	Settings.Read(TEXT("maximum_location"), MaximumLocation);
}

bool UUerlLocationSensor::Attach(FString& OutProblem)
{
	const FVector Room = MaximumLocation - MinimumLocation;
	if (bNormalise && !(Room.X > 0.0 && Room.Y > 0.0 && Room.Z > 0.0))
	{
		OutProblem = FString::Printf(
			TEXT("a normalised location in a room of %g x %g x %g cm, expected more than 0 each: "
				 "set minimum_location and maximum_location"),
			Room.X, Room.Y, Room.Z);
		return false;
	}
	return Super::Attach(OutProblem);
}

FUerlArray UUerlLocationSensor::Describe() const
{
	return bNormalise ? FUerlArray::Floats({ 3 }, 0.0, 1.0) : FUerlArray::Floats({ 3 });
}

void UUerlLocationSensor::Measure(TArrayView<float> Values)
{
	const FVector Location = Component->GetComponentLocation();
	if (!bNormalise)
	{
		WriteVector(Values, Location);
		return;
	}
	const FVector Room = MaximumLocation - MinimumLocation;
	const FVector Inside = Location - MinimumLocation;
	WriteVector(Values,
		FVector(FMath::Clamp(Inside.X / Room.X, 0.0, 1.0),
			FMath::Clamp(Inside.Y / Room.Y, 0.0, 1.0), FMath::Clamp(Inside.Z / Room.Z, 0.0, 1.0)));
}

void UUerlRotationSensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Ignore(TEXT("cyclic")); // in UERL, too, angles always come as sines and cosines
	Settings.Read(TEXT("only_z"), bOnlyZ);
	Settings.Read(TEXT("zero_centered"), bZeroCentered);
}

FUerlArray UUerlRotationSensor::Describe() const
{
	return FUerlArray::Floats({ NumFloats() }, bZeroCentered ? -1.0 : 0.0, 1.0);
}

// From -1..1 to 0..1, unless it shall stay.
static float ToRange(double Value, bool bZeroCentered)
{
	return static_cast<float>(bZeroCentered ? Value : (Value + 1.0) / 2.0);
}

void UUerlRotationSensor::Measure(TArrayView<float> Values)
{
	const FRotator Rotation = Component->GetComponentRotation();
	const double All[] = { Rotation.Pitch, Rotation.Yaw, Rotation.Roll };
	const double* const Angles = bOnlyZ ? All + 1 : All;
	for (int32 Index = 0; Index < Values.Num() / 2; Index++)
	{
		const double Radians = FMath::DegreesToRadians(Angles[Index]);
		Values[2 * Index] = ToRange(FMath::Sin(Radians), bZeroCentered);
		Values[2 * Index + 1] = ToRange(FMath::Cos(Radians), bZeroCentered);
	}
}

void UUerlVelocitySensor::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("should_normalise"), bNormalise);
	Settings.Read(TEXT("zero_centered"), bZeroCentered);
	Settings.Read(TEXT("max_velocity"), MaxVelocity);
	Settings.Read(TEXT("max_velocity_from_cmc"), bMaxVelocityFromMovement);
	Settings.Read(TEXT("local"), bLocal);
}

bool UUerlVelocitySensor::Attach(FString& OutProblem)
{
	if (bNormalise && !(MaxVelocity > 0.0f))
	{
		OutProblem = FString::Printf(
			TEXT("a greatest velocity of %g cm/s, expected more than 0: set max_velocity"),
			MaxVelocity);
		return false;
	}
	return Super::Attach(OutProblem);
}

FUerlArray UUerlVelocitySensor::Describe() const
{
	return bNormalise ? FUerlArray::Floats({ 3 }, bZeroCentered ? -1.0 : 0.0, 1.0)
					  : FUerlArray::Floats({ 3 });
}

// A movement component that cannot move at the moment has a greatest speed of 0.
double UUerlVelocitySensor::GetMaxVelocity() const
{
	const APawn* const Pawn = Cast<APawn>(GetActor());
	const UPawnMovementComponent* const Movement =
		Pawn != nullptr && bMaxVelocityFromMovement ? Pawn->GetMovementComponent() : nullptr;
	return Movement != nullptr && Movement->GetMaxSpeed() > 0.0f ? Movement->GetMaxSpeed()
																 : MaxVelocity;
}

void UUerlVelocitySensor::Measure(TArrayView<float> Values)
{
	FVector Velocity = Component->GetComponentVelocity();
	if (bLocal)
	{
		Velocity = Component->GetComponentTransform().InverseTransformVectorNoScale(Velocity);
	}
	WriteVector(Values, Velocity);
	const double Most = GetMaxVelocity();
	for (float& Value : Values)
	{
		if (bNormalise)
		{
			Value = ToRange(FMath::Clamp(Value / Most, -1.0, 1.0), bZeroCentered);
		}
	}
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
