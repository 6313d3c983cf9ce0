// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlSensors.generated.h"

class USceneComponent;

/** A sensor made of a few floats about one component of its actor. */
UCLASS(Abstract)
class UERLSHM_API UUerlFloatsSensor : public UUerlSensor
{
	GENERATED_BODY()

public:
	/** Component that is looked at; empty: the actor's root. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName AttachToCompName;

	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;

protected:
	/** How many floats it has. */
	virtual int32 NumFloats() const PURE_VIRTUAL(UUerlFloatsSensor::NumFloats, return 0;);

	/** Writes them. */
	virtual void Measure(TArrayView<float> Values) PURE_VIRTUAL(UUerlFloatsSensor::Measure, );

	UPROPERTY(Transient)
	TObjectPtr<USceneComponent> Component;
};

/**
 * Where the component is: x, y, z, in centimetres of the world, or as a share of a room.
 *
 * UERL's "location": normalised, each is (location - minimum) / (maximum - minimum), from 0 to 1.
 */
UCLASS()
class UERLSHM_API UUerlLocationSensor : public UUerlFloatsSensor
{
	GENERATED_BODY()

public:
	/** As a share of the room between the two corners. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bNormalise = false;

	/** Corner of the room with the least coordinates, in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FVector MinimumLocation = FVector::ZeroVector;

	/** The opposite corner. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FVector MaximumLocation = FVector::ZeroVector;

	virtual FName GetKind() const override
	{
		return TEXT("location");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual FUerlArray Describe() const override;

protected:
	virtual int32 NumFloats() const override
	{
		return 3;
	}
	virtual void Measure(TArrayView<float> Values) override;
};

/**
 * How the component is turned: sine and cosine of its yaw, or of its pitch, yaw and roll.
 *
 * UERL's "rotation": angles have no jump from 360 degrees to 0.
 */
UCLASS()
class UERLSHM_API UUerlRotationSensor : public UUerlFloatsSensor
{
	GENERATED_BODY()

public:
	/** The yaw alone: two floats; else six. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bOnlyZ = true;

	/** From -1 to 1; else (value + 1) / 2, from 0 to 1. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bZeroCentered = false;

	virtual FName GetKind() const override
	{
		return TEXT("rotation");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual FUerlArray Describe() const override;

protected:
	virtual int32 NumFloats() const override
	{
		return bOnlyZ ? 2 : 6;
	}
	virtual void Measure(TArrayView<float> Values) override;
};

/**
 * How fast the component moves: x, y, z, in centimetres a second, or as a share of a velocity.
 *
 * UERL's "velocity_sensor": normalised, each is velocity / maximum, from -1 to 1.
 */
UCLASS()
class UERLSHM_API UUerlVelocitySensor : public UUerlFloatsSensor
{
	GENERATED_BODY()

public:
	/** As a share of MaxVelocity. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bNormalise = true;

	/** From -1 to 1, if normalised; else (value + 1) / 2, from 0 to 1. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bZeroCentered = true;

	/** Faster counts as this, if normalised; in centimetres a second. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float MaxVelocity = 500.0f;

	/** Take the greatest speed of the pawn's movement component instead, where it has one. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bMaxVelocityFromMovement = true;

	/** Relative to how the component is turned. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bLocal = false;

	virtual FName GetKind() const override
	{
		return TEXT("velocity_sensor");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;
	virtual FUerlArray Describe() const override;

protected:
	virtual int32 NumFloats() const override
	{
		return 3;
	}
	virtual void Measure(TArrayView<float> Values) override;

private:
	double GetMaxVelocity() const;
};

/** How far an actor is away, in centimetres. */
UCLASS()
class UERLSHM_API UUerlDistanceSensor : public UUerlFloatsSensor
{
	GENERATED_BODY()

public:
	/** Name or tag of the actor. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName TargetActorName;

	virtual FName GetKind() const override
	{
		return TEXT("distance");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual bool Attach(FString& OutProblem) override;

protected:
	virtual int32 NumFloats() const override
	{
		return 1;
	}
	virtual void Measure(TArrayView<float> Values) override;

	UPROPERTY(Transient)
	TObjectPtr<AActor> Target;
};

/**
 * Rays in a fan, or in a grid: of each, the distance to what it hits as a share of MaxDistance; 1:
 * nothing. Rays are spread evenly from one edge to the other. (UERL's fan is "distance_tracer".)
 */
UCLASS()
class UERLSHM_API UUerlRayFanSensor : public UUerlFloatsSensor
{
	GENERATED_BODY()

public:
	/** Rays from left to right. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 NumRays = 16;

	/** Rays from top to bottom; 1: a flat fan. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 NumRows = 1;

	/** Width of the fan, in degrees. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float Angle = 90.0f;

	/** Height of the fan, in degrees; of several rows. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float VerticalAngle = 30.0f;

	/** Length of a ray, in centimetres. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float MaxDistance = 15000.0f;

	virtual FName GetKind() const override
	{
		return TEXT("ray_fan");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual FUerlArray Describe() const override;

protected:
	virtual int32 NumFloats() const override
	{
		return NumRays * NumRows;
	}
	virtual void Measure(TArrayView<float> Values) override;
};

/** A sensor that a Blueprint writes: as many floats as NumValues says. */
UCLASS(Blueprintable)
class UERLSHM_API UUerlBlueprintSensor : public UUerlSensor
{
	GENERATED_BODY()

public:
	/** How many floats it writes. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm", meta = (ClampMin = "1"))
	int32 NumValues = 1;

	/** Fills Values, which has NumValues zeros. */
	UFUNCTION(BlueprintImplementableEvent, Category = "UerlShm")
	void Measure(UPARAM(ref) TArray<float>& Values);

	virtual FName GetKind() const override
	{
		return TEXT("blueprint");
	}
	virtual void Configure(FUerlSettings& Settings) override;
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;
};
