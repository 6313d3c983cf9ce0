// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlValues.h"

#include "UerlArray.h"

namespace UerlValues
{
	template <typename Type>
	static void ReadAs(TArrayView<const uint8> Row, TArray<float>& Values)
	{
		for (int32 Index = 0; Index < Values.Num(); Index++)
		{
			Type Value;
			FMemory::Memcpy(&Value, Row.GetData() + Index * sizeof(Type), sizeof(Type));
			Values[Index] = static_cast<float>(Value);
		}
	}

	TArray<float> Read(const FUerlArray& Array, TArrayView<const uint8> Row)
	{
		TArray<float> Values;
		if (Row.Num() != Array.NumBytes())
		{
			return Values;
		}
		Values.SetNumZeroed(static_cast<int32>(Array.NumValues()));
		switch (Array.Type)
		{
			case EUerlType::Float32:
				ReadAs<float>(Row, Values);
				break;
			case EUerlType::Int64:
				ReadAs<int64>(Row, Values);
				break;
			default:
				ReadAs<uint8>(Row, Values);
		}
		return Values;
	}

	// The greatest whole number that an entry may have.
	static double GetMost(const FUerlArray& Array, int32 Index)
	{
		if (Array.Kind != EUerlKind::Box)
		{
			return Array.Choices[Index] - 1;
		}
		if (Array.Type == EUerlType::Bool)
		{
			return 1.0;
		}
		const double Widest = Array.Type == EUerlType::UInt8 ? 255.0 : 9007199254740992.0; // 2^53
		return Array.bBounded ? FMath::Min(Array.High, Widest) : Widest;
	}

	static double GetLeast(const FUerlArray& Array)
	{
		if (Array.Kind != EUerlKind::Box || Array.Type != EUerlType::Int64)
		{
			return 0.0;
		}
		return Array.bBounded ? Array.Low : -9007199254740992.0;
	}

	void Write(const FUerlArray& Array, TArrayView<const float> Values, TArrayView<uint8> Row)
	{
		for (int32 Index = 0; Index < Array.NumValues(); Index++)
		{
			float Value = Index < Values.Num() ? Values[Index] : 0.0f;
			Value = FMath::IsFinite(Value) ? Value : 0.0f;
			if (Array.Type == EUerlType::Float32)
			{
				FMemory::Memcpy(Row.GetData() + Index * sizeof(float), &Value, sizeof(float));
				continue;
			}
			const int64 Whole = static_cast<int64>(
				FMath::Clamp<double>(FMath::FloorToDouble(static_cast<double>(Value) + 0.5),
					GetLeast(Array), GetMost(Array, Index)));
			if (Array.Type == EUerlType::Int64)
			{
				FMemory::Memcpy(Row.GetData() + Index * sizeof(int64), &Whole, sizeof(int64));
				continue;
			}
			Row[Index] = static_cast<uint8>(Whole);
		}
	}
} // namespace UerlValues
