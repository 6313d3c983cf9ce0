// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlArray.generated.h"

class FJsonObject;

/** Type of one value of an array. */
UENUM(BlueprintType)
enum class EUerlType : uint8
{
	Float32,
	UInt8,
	Int64,
	Bool,
};

/** What the values of an array mean. */
UENUM(BlueprintType)
enum class EUerlKind : uint8
{
	/** Numbers between Low and High. */
	Box,
	/** One choice of Choices[0]. */
	Discrete,
	/** One choice for each entry of Choices. */
	MultiDiscrete,
};

/** One array of an agent's row: what the learner's spec says of it (docs/spec.md). */
USTRUCT(BlueprintType)
struct UERLSHM_API FUerlArray
{
	GENERATED_BODY()

	/** Type of each value. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	EUerlType Type = EUerlType::Float32;

	/** Numbers between Low and High, or choices. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	EUerlKind Kind = EUerlKind::Box;

	/** Axes of one row; an image has height, width, channels. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TArray<int32> Shape;

	/** Numbers of choices, of Discrete and MultiDiscrete. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TArray<int32> Choices;

	/** Whether Low and High hold; otherwise any value may come. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	bool bBounded = false;

	/** Least value. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	double Low = 0.0;

	/** Greatest value. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	double High = 0.0;

	/** Steps by which the array lags behind the others. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	int32 Latency = 0;

	/** Floats without bounds. */
	static FUerlArray Floats(TArray<int32> Shape);

	/** Floats between two numbers. */
	static FUerlArray Floats(TArray<int32> Shape, double Low, double High);

	/** A picture of bytes: height, width, channels. */
	static FUerlArray Image(int32 Height, int32 Width, int32 Channels);

	/** One choice of several. */
	static FUerlArray Discrete(int32 NumChoices);

	/** Values of one row. */
	int64 NumValues() const;

	/** Bytes of one row. */
	int64 NumBytes() const;

	/** The entry of a spec. */
	TSharedRef<FJsonObject> ToJson() const;

	/** enum uerl_dtype of layout.h. */
	uint32 GetDtype() const;

	bool operator==(const FUerlArray& Other) const;
};
