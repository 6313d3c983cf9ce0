// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlModelMetadata.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "Serialization/JsonReader.h"
#include "Serialization/JsonSerializer.h"

// Of onnx.proto: ModelProto.metadata_props, StringStringEntryProto.key and value.
static constexpr uint64 MetadataField = 14;
static constexpr uint64 KeyField = 1;
static constexpr uint64 ValueField = 2;
static constexpr int32 FormatVersion = 1;

int32 FUerlModelArray::NumNumbers() const
{
	if (Transform != EUerlTransform::Argmax)
	{
		return static_cast<int32>(Array.NumValues());
	}
	int32 Count = 0;
	for (const int32 Choices : Array.Choices)
	{
		Count += Choices;
	}
	return Count;
}

// A message in the wire format of protocol buffers, one field after the other.
class FProtoMessage
{
public:
	explicit FProtoMessage(TArrayView<const uint8> InBytes)
		: Bytes(InBytes)
	{
	}

	/** The next field that is a run of bytes; false: the end, or damage. */
	bool Next(uint64& OutField, TArrayView<const uint8>& OutBytes)
	{
		uint64 Key = 0, Length = 0;
		while (ReadNumber(Key))
		{
			const uint64 Kind = Key & 7;
			if (Kind == 0 && ReadNumber(Length))
			{
				continue;
			}
			if (Kind == 2 ? !ReadNumber(Length) : Kind != 1 && Kind != 5)
			{
				return false;
			}
			Length = Kind == 1 ? 8 : Kind == 5 ? 4 : Length;
			if (Length > static_cast<uint64>(Bytes.Num() - At))
			{
				return false;
			}
			const uint8* const First = Bytes.GetData() + At;
			At += static_cast<int32>(Length);
			if (Kind == 2)
			{
				OutField = Key >> 3;
				OutBytes = TArrayView<const uint8>(First, static_cast<int32>(Length));
				return true;
			}
		}
		return false;
	}

private:
	bool ReadNumber(uint64& OutNumber)
	{
		OutNumber = 0;
		for (int32 Shift = 0; Shift < 64 && At < Bytes.Num(); Shift += 7)
		{
			const uint8 Byte = Bytes[At++];
			OutNumber |= static_cast<uint64>(Byte & 127) << Shift;
			if (Byte < 128)
			{
				return true;
			}
		}
		return false;
	}

	TArrayView<const uint8> Bytes;
	int32 At = 0;
};

static FString ToText(TArrayView<const uint8> Bytes)
{
	const FUTF8ToTCHAR Text(reinterpret_cast<const ANSICHAR*>(Bytes.GetData()), Bytes.Num());
	return FString(Text.Length(), Text.Get());
}

static FString FindEntry(TArrayView<const uint8> File)
{
	FProtoMessage Model(File);
	uint64 Field = 0;
	TArrayView<const uint8> Bytes;
	while (Model.Next(Field, Bytes))
	{
		FProtoMessage Entry(Field == MetadataField ? Bytes : TArrayView<const uint8>());
		FString Key, Value;
		while (Entry.Next(Field, Bytes))
		{
			if (Field == KeyField)
			{
				Key = ToText(Bytes);
			}
			else if (Field == ValueField)
			{
				Value = ToText(Bytes);
			}
		}
		if (Key == TEXT("uerl_shm"))
		{
			return Value;
		}
	}
	return FString();
}

static bool ReadChoice(const FJsonObject& Json, const TCHAR* Key,
	std::initializer_list<const TCHAR*> Names, uint8& OutIndex)
{
	FString Found;
	Json.TryGetStringField(Key, Found);
	OutIndex = 0;
	for (const TCHAR* const Name : Names)
	{
		if (Found == Name)
		{
			return true;
		}
		OutIndex++;
	}
	return false;
}

static bool ReadLengths(const FJsonObject& Json, const TCHAR* Key, TArray<int32>& Out)
{
	const TArray<TSharedPtr<FJsonValue>>* Values = nullptr;
	if (!Json.TryGetArrayField(Key, Values))
	{
		return false;
	}
	for (const TSharedPtr<FJsonValue>& Value : *Values)
	{
		double Number = 0.0;
		if (!Value->TryGetNumber(Number) || Number < 1.0 || Number > (1 << 24))
		{
			return false;
		}
		Out.Add(static_cast<int32>(Number));
	}
	return true;
}

static bool ReadArray(const FJsonObject& Json, bool bAction, FUerlModelArray& Out)
{
	uint8 Index = 0;
	FUerlArray& Array = Out.Array;
	if (!Json.TryGetStringField(TEXT("name"), Out.Name) ||
		!ReadChoice(Json, TEXT("dtype"),
			{ TEXT("float32"), TEXT("uint8"), TEXT("int64"), TEXT("bool") }, Index))
	{
		return false;
	}
	Array.Type = static_cast<EUerlType>(Index);
	if (!ReadLengths(Json, TEXT("shape"), Array.Shape) ||
		(Json.HasField(TEXT("nvec")) && !ReadLengths(Json, TEXT("nvec"), Array.Choices)))
	{
		return false;
	}
	Array.Kind = Array.Choices.Num() == 0 ? EUerlKind::Box
				 : Array.Shape.Num() == 0 ? EUerlKind::Discrete
										  : EUerlKind::MultiDiscrete;
	if (Array.Kind != EUerlKind::Box && Array.Choices.Num() != Array.NumValues())
	{
		return false;
	}
	Array.bBounded = Json.TryGetNumberField(TEXT("low"), Array.Low) &&
					 Json.TryGetNumberField(TEXT("high"), Array.High);
	if (!bAction)
	{
		return Json.TryGetNumberField(TEXT("scale"), Out.Scale);
	}
	const bool bFound =
		ReadChoice(Json, TEXT("transform"), { TEXT("clip"), TEXT("unit"), TEXT("argmax") }, Index);
	Out.Transform = static_cast<EUerlTransform>(Index);
	const bool bIsArgmax = Out.Transform == EUerlTransform::Argmax;
	return bFound && bIsArgmax == (Array.Kind != EUerlKind::Box) &&
		   (Array.bBounded || Out.Transform != EUerlTransform::Unit);
}

static bool ReadArrays(
	const FJsonObject& Json, const TCHAR* Key, bool bAction, TArray<FUerlModelArray>& Out)
{
	const TArray<TSharedPtr<FJsonValue>>* Values = nullptr;
	if (!Json.TryGetArrayField(Key, Values) || Values->Num() == 0)
	{
		return false;
	}
	for (const TSharedPtr<FJsonValue>& Value : *Values)
	{
		const TSharedPtr<FJsonObject>* Entry = nullptr;
		if (!Value->TryGetObject(Entry) || !ReadArray(**Entry, bAction, Out.AddDefaulted_GetRef()))
		{
			return false;
		}
	}
	return true;
}

bool FUerlModelMetadata::Read(
	TArrayView<const uint8> File, FUerlModelMetadata& Out, FString& OutProblem)
{
	TSharedPtr<FJsonObject> Json;
	double Version = 0.0;
	const TSharedPtr<FJsonObject>* Engine = nullptr;
	const FString Text = FindEntry(File);
	if (Text.IsEmpty() || !FJsonSerializer::Deserialize(TJsonReaderFactory<>::Create(Text), Json) ||
		!Json.IsValid() || !Json->TryGetNumberField(TEXT("version"), Version))
	{
		OutProblem = TEXT("has no metadata 'uerl_shm', expected a file that "
						  "uerl_shm.torch.export_onnx() wrote");
		return false;
	}
	if (Version != FormatVersion)
	{
		OutProblem = FString::Printf(TEXT("has metadata of version %g, expected %d: export it with "
										  "the uerl_shm of this plugin"),
			Version, FormatVersion);
		return false;
	}
	if (!ReadArrays(*Json, TEXT("observation"), false, Out.Observations) ||
		!ReadArrays(*Json, TEXT("action"), true, Out.Actions))
	{
		OutProblem = TEXT("has metadata 'uerl_shm' with an array that cannot be read, expected "
						  "what uerl_shm.torch.export_onnx() writes");
		return false;
	}
	if (Json->TryGetObjectField(TEXT("engine"), Engine))
	{
		Out.Engine = *Engine;
	}
	return true;
}
