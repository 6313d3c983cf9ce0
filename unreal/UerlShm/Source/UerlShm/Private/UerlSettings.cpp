// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSettings.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"

FUerlSettings::FUerlSettings(
	TSharedRef<FJsonObject> InJson, FString InWhere, TArray<FString>& OutProblems)
	: Json(InJson)
	, Where(MoveTemp(InWhere))
	, Problems(OutProblems)
{
}

FUerlSettings::~FUerlSettings()
{
	for (const auto& [Key, Value] : Json->Values)
	{
		if (!Known.Contains(FString(Key)))
		{
			AddProblem(FString::Printf(
				TEXT("has the key '%s', which is unknown: remove it"), *FString(Key)));
		}
	}
}

TSharedPtr<FJsonValue> FUerlSettings::Find(const TCHAR* Key)
{
	Known.Add(Key);
	const TSharedPtr<FJsonValue> Value = Json->TryGetField(Key);
	return Value.IsValid() && !Value->IsNull() ? Value : nullptr;
}

void FUerlSettings::AddProblem(const FString& Text)
{
	Problems.Add(Where + TEXT(" ") + Text);
}

void FUerlSettings::Ignore(const TCHAR* Key)
{
	Known.Add(Key);
}

void FUerlSettings::Read(const TCHAR* Key, FString& Value)
{
	const TSharedPtr<FJsonValue> Found = Find(Key);
	if (Found.IsValid() && !Found->TryGetString(Value))
	{
		AddProblem(FString::Printf(TEXT("has '%s' of another type, expected text"), Key));
	}
}

void FUerlSettings::Read(const TCHAR* Key, FName& Value)
{
	FString Text = Value.ToString();
	Read(Key, Text);
	Value = FName(*Text);
}

void FUerlSettings::Read(const TCHAR* Key, bool& bValue)
{
	const TSharedPtr<FJsonValue> Found = Find(Key);
	if (Found.IsValid() && !Found->TryGetBool(bValue))
	{
		AddProblem(FString::Printf(TEXT("has '%s' of another type, expected true or false"), Key));
	}
}

void FUerlSettings::ReadNumber(const TCHAR* Key, double& Value)
{
	const TSharedPtr<FJsonValue> Found = Find(Key);
	double Number = 0.0;
	if (!Found.IsValid())
	{
		return;
	}
	if (Found->TryGetNumber(Number) && FMath::IsFinite(Number))
	{
		Value = Number;
		return;
	}
	AddProblem(FString::Printf(TEXT("has '%s' of another type, expected a number"), Key));
}

void FUerlSettings::Read(const TCHAR* Key, double& Value)
{
	ReadNumber(Key, Value);
}

void FUerlSettings::Read(const TCHAR* Key, float& Value)
{
	double Number = Value;
	ReadNumber(Key, Number);
	Value = static_cast<float>(Number);
}

void FUerlSettings::Read(const TCHAR* Key, int32& Value, int32 Least, int32 Most)
{
	double Number = Value;
	ReadNumber(Key, Number);
	if (Number < Least || Number > Most || Number != FMath::FloorToDouble(Number))
	{
		AddProblem(FString::Printf(
			TEXT("has '%s' %g, expected a whole number from %d to %d"), Key, Number, Least, Most));
		return;
	}
	Value = static_cast<int32>(Number);
}

// An object of exactly these numbers.
void FUerlSettings::ReadObject(
	const TCHAR* Key, TArrayView<const TCHAR* const> Names, double* Values)
{
	const TSharedPtr<FJsonValue> Found = Find(Key);
	const TSharedPtr<FJsonObject>* Object = nullptr;
	if (!Found.IsValid())
	{
		return;
	}
	TArray<double> Numbers;
	FString Expected;
	const bool bIsObject = Found->TryGetObject(Object);
	for (const TCHAR* const Name : Names)
	{
		double Number = 0.0;
		if (bIsObject && (*Object)->TryGetNumberField(Name, Number) && FMath::IsFinite(Number))
		{
			Numbers.Add(Number);
		}
		Expected += FString(TEXT(" ")) + Name;
	}
	if (Numbers.Num() < Names.Num() || (*Object)->Values.Num() != Names.Num())
	{
		AddProblem(FString::Printf(
			TEXT("has '%s' of another type, expected an object of numbers:%s"), Key, *Expected));
		return;
	}
	FMemory::Memcpy(Values, Numbers.GetData(), Numbers.Num() * sizeof(double));
}

void FUerlSettings::Read(const TCHAR* Key, FVector& Value)
{
	static const TCHAR* const Names[] = { TEXT("x"), TEXT("y"), TEXT("z") };
	double Values[] = { Value.X, Value.Y, Value.Z };
	ReadObject(Key, MakeArrayView(Names, 3), Values);
	Value = FVector(Values[0], Values[1], Values[2]);
}

void FUerlSettings::Read(const TCHAR* Key, FRotator& Value)
{
	static const TCHAR* const Names[] = { TEXT("roll"), TEXT("yaw"), TEXT("pitch") };
	double Values[] = { Value.Roll, Value.Yaw, Value.Pitch };
	ReadObject(Key, MakeArrayView(Names, 3), Values);
	Value = FRotator(Values[2], Values[1], Values[0]);
}

static bool ReadNumbers(const TSharedPtr<FJsonValue>& Value, TArray<double>& Numbers)
{
	const TArray<TSharedPtr<FJsonValue>>* Values = nullptr;
	if (!Value->TryGetArray(Values))
	{
		return false;
	}
	for (const TSharedPtr<FJsonValue>& Each : *Values)
	{
		double Number = 0.0;
		if (!Each.IsValid() || !Each->TryGetNumber(Number))
		{
			return false;
		}
		Numbers.Add(Number);
	}
	return true;
}

void FUerlSettings::Read(const TCHAR* Key, TArray<int32>& Value)
{
	const TSharedPtr<FJsonValue> Found = Find(Key);
	TArray<double> Numbers;
	if (!Found.IsValid())
	{
		return;
	}
	bool bGood = ReadNumbers(Found, Numbers);
	for (const double Number : Numbers)
	{
		bGood &=
			Number >= MIN_int32 && Number <= MAX_int32 && Number == FMath::FloorToDouble(Number);
	}
	if (!bGood)
	{
		AddProblem(FString::Printf(
			TEXT("has '%s' of another type, expected a list of whole numbers of 32 bits"), Key));
		return;
	}
	Value.Reset();
	for (const double Number : Numbers)
	{
		Value.Add(static_cast<int32>(Number));
	}
}

void FUerlSettings::Read(const TCHAR* Key, TArray<FString>& Value)
{
	const TSharedPtr<FJsonValue> Found = Find(Key);
	const TArray<TSharedPtr<FJsonValue>>* Values = nullptr;
	if (!Found.IsValid())
	{
		return;
	}
	if (!Found->TryGetArray(Values))
	{
		AddProblem(
			FString::Printf(TEXT("has '%s' of another type, expected a list of texts"), Key));
		return;
	}
	Value.Reset();
	for (const TSharedPtr<FJsonValue>& Each : *Values)
	{
		FString Text;
		if (!Each.IsValid() || !Each->TryGetString(Text))
		{
			AddProblem(FString::Printf(
				TEXT("has '%s' with something that is no text, expected a list of texts"), Key));
			continue;
		}
		Value.Add(Text);
	}
}
