// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlArray.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/layout.h"
THIRD_PARTY_INCLUDES_END

FUerlArray FUerlArray::Floats(TArray<int32> Shape)
{
	FUerlArray Array;
	Array.Shape = MoveTemp(Shape);
	return Array;
}

FUerlArray FUerlArray::Floats(TArray<int32> Shape, double Low, double High)
{
	FUerlArray Array = Floats(MoveTemp(Shape));
	Array.bBounded = true;
	Array.Low = Low;
	Array.High = High;
	return Array;
}

FUerlArray FUerlArray::Image(int32 Height, int32 Width, int32 Channels)
{
	FUerlArray Array = Floats({ Height, Width, Channels }, 0.0, 255.0);
	Array.Type = EUerlType::UInt8;
	return Array;
}

FUerlArray FUerlArray::Discrete(int32 NumChoices)
{
	FUerlArray Array;
	Array.Type = EUerlType::Int64;
	Array.Kind = EUerlKind::Discrete;
	Array.Choices = { NumChoices };
	return Array;
}

int64 FUerlArray::NumValues() const
{
	int64 Count = 1;
	for (const int32 Axis : Shape)
	{
		Count *= Axis;
	}
	return Count;
}

int64 FUerlArray::NumBytes() const
{
	switch (Type)
	{
		case EUerlType::Float32:
			return 4 * NumValues();
		case EUerlType::Int64:
			return 8 * NumValues();
		default:
			return NumValues();
	}
}

static TArray<TSharedPtr<FJsonValue>> ToJsonArray(const TArray<int32>& Numbers)
{
	TArray<TSharedPtr<FJsonValue>> Values;
	for (const int32 Number : Numbers)
	{
		Values.Add(MakeShared<FJsonValueNumber>(Number));
	}
	return Values;
}

TSharedRef<FJsonObject> FUerlArray::ToJson() const
{
	static const TCHAR* const Types[] = { TEXT("float32"), TEXT("uint8"), TEXT("int64"),
		TEXT("bool") };
	static const TCHAR* const Kinds[] = { TEXT("box"), TEXT("discrete"), TEXT("multi_discrete") };
	TSharedRef<FJsonObject> Json = MakeShared<FJsonObject>();
	Json->SetStringField(TEXT("dtype"), Types[static_cast<int32>(Type)]);
	Json->SetStringField(TEXT("kind"), Kinds[static_cast<int32>(Kind)]);
	if (Kind != EUerlKind::Box)
	{
		Json->SetArrayField(TEXT("nvec"), ToJsonArray(Choices));
		return Json;
	}
	Json->SetArrayField(TEXT("shape"), ToJsonArray(Shape));
	if (Latency > 0)
	{
		Json->SetNumberField(TEXT("latency"), Latency);
	}
	if (bBounded)
	{
		Json->SetNumberField(TEXT("low"), Low);
		Json->SetNumberField(TEXT("high"), High);
	}
	return Json;
}

uint32 FUerlArray::GetDtype() const
{
	static const uint32 Dtypes[] = { UERL_DTYPE_FLOAT32, UERL_DTYPE_UINT8, UERL_DTYPE_INT64,
		UERL_DTYPE_BOOL };
	return Dtypes[static_cast<int32>(Type)];
}

bool FUerlArray::operator==(const FUerlArray& Other) const
{
	return Type == Other.Type && Kind == Other.Kind && Shape == Other.Shape &&
		   Choices == Other.Choices && bBounded == Other.bBounded && Latency == Other.Latency &&
		   Low == Other.Low && High == Other.High;
}
