// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlDemonstration.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "HAL/FileManager.h"
#include "Misc/Paths.h"
#include "Serialization/JsonSerializer.h"
#include "Serialization/JsonWriter.h"
#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlSensors.h"

// The columns of a record, as the arguments of numpy.dtype().
class FColumns
{
public:
	void Add(const FString& Name, const TCHAR* Format, const TArray<int32>& Shape, int64 NumBytes)
	{
		TArray<TSharedPtr<FJsonValue>> Pair, Lengths;
		for (const int32 Length : Shape)
		{
			Lengths.Add(MakeShared<FJsonValueNumber>(Length));
		}
		Pair.Add(MakeShared<FJsonValueString>(Format));
		Pair.Add(MakeShared<FJsonValueArray>(Lengths));
		Names.Add(MakeShared<FJsonValueString>(Name));
		Formats.Add(MakeShared<FJsonValueArray>(Pair));
		Offsets.Add(MakeShared<FJsonValueNumber>(static_cast<double>(RecordBytes)));
		RecordBytes += NumBytes;
	}

	void Add(const FString& Name, const FUerlArray& Array)
	{
		static const TCHAR* const Types[] = { TEXT("<f4"), TEXT("|u1"), TEXT("<i8"), TEXT("|b1") };
		Add(Name, Types[static_cast<int32>(Array.Type)], Array.Shape, Array.NumBytes());
	}

	TSharedRef<FJsonObject> ToJson() const
	{
		const TSharedRef<FJsonObject> Json = MakeShared<FJsonObject>();
		Json->SetArrayField(TEXT("names"), Names);
		Json->SetArrayField(TEXT("formats"), Formats);
		Json->SetArrayField(TEXT("offsets"), Offsets);
		Json->SetNumberField(TEXT("itemsize"), static_cast<double>(RecordBytes));
		return Json;
	}

private:
	TArray<TSharedPtr<FJsonValue>> Names, Formats, Offsets;
	int64 RecordBytes = 0;
};

static FString MakeHeader(const UUerlAgentComponent& Agent)
{
	FColumns Columns;
	const TSharedRef<FJsonObject> Spec = MakeShared<FJsonObject>();
	Columns.Add(TEXT("episode"), TEXT("<i8"), {}, 8);
	Columns.Add(TEXT("step"), TEXT("<i8"), {}, 8);
	for (const UUerlSensor* const Sensor : Agent.Sensors)
	{
		const FString Name = TEXT("observation/") + Sensor->GetPartName().ToString();
		Columns.Add(Name, Sensor->Describe());
		Spec->SetObjectField(Name, Sensor->Describe().ToJson());
	}
	for (const UUerlActuator* const Actuator : Agent.Actuators)
	{
		const FString Name = TEXT("action/") + Actuator->GetPartName().ToString();
		Columns.Add(Name, Actuator->Describe());
		Spec->SetObjectField(Name, Actuator->Describe().ToJson());
	}
	Columns.Add(TEXT("reward"), TEXT("<f4"), {}, 4);
	Columns.Add(TEXT("terminated"), TEXT("|b1"), {}, 1);
	Columns.Add(TEXT("truncated"), TEXT("|b1"), {}, 1);
	Columns.Add(TEXT("last"), TEXT("|b1"), {}, 1);
	const TSharedRef<FJsonObject> Header = MakeShared<FJsonObject>();
	Header->SetNumberField(TEXT("version"), 1);
	Header->SetStringField(TEXT("agent"), Agent.GetAgentName());
	Header->SetStringField(TEXT("group"), Agent.Group);
	Header->SetObjectField(TEXT("dtype"), Columns.ToJson());
	Header->SetObjectField(TEXT("arrays"), Spec);
	FString Text;
	FJsonSerializer::Serialize(Header, TJsonWriterFactory<>::Create(&Text));
	return Text;
}

template <typename ValueType>
static void Append(FArchive& File, ValueType Value)
{
	File.Serialize(&Value, sizeof(Value));
}

static void Append(FArchive& File, const TArray<TArray<uint8>>& Rows, bool bZeros)
{
	for (TArray<uint8> Row : Rows) // a copy, because an archive takes no constant bytes
	{
		if (bZeros)
		{
			FMemory::Memzero(Row.GetData(), Row.Num());
		}
		File.Serialize(Row.GetData(), Row.Num());
	}
}

TSharedPtr<FUerlDemonstration> FUerlDemonstration::Open(
	const FString& Path, const UUerlAgentComponent& Agent, FString& OutProblem)
{
	const TSharedRef<FUerlDemonstration> Made = MakeShared<FUerlDemonstration>();
	Made->Path = FPaths::ConvertRelativePathToFull(FPaths::ProjectDir(), Path);
	if (IFileManager::Get().FileExists(*Made->Path))
	{
		OutProblem = FString::Printf(TEXT("demonstrations file '%s' exists, expected a new name: "
										  "move it away, or set another RecordFile"),
			*Made->Path);
		return nullptr;
	}
	Made->File = TUniquePtr<FArchive>(IFileManager::Get().CreateFileWriter(*Made->Path));
	if (!Made->File.IsValid())
	{
		OutProblem = FString::Printf(TEXT("demonstrations file '%s' cannot be written, expected a "
										  "writable folder: set another RecordFile"),
			*Made->Path);
		return nullptr;
	}
	const FString Header = MakeHeader(Agent);
	const FTCHARToUTF8 Utf8(*Header);
	TArray<uint8> Bytes(reinterpret_cast<const uint8*>("UERLDEMO"), 8);
	Made->File->Serialize(Bytes.GetData(), Bytes.Num());
	Append(*Made->File, static_cast<uint64>(Utf8.Length()));
	Bytes = TArray<uint8>(reinterpret_cast<const uint8*>(Utf8.Get()), Utf8.Length());
	Made->File->Serialize(Bytes.GetData(), Bytes.Num());
	return Made;
}

bool FUerlDemonstration::Write(const UUerlAgentComponent& Agent,
	const TArray<TArray<uint8>>& Observed, const TArray<TArray<uint8>>& Taken, bool bLast,
	FString& OutProblem)
{
	const EUerlEnd End = bLast ? EUerlEnd::GoesOn : Agent.GetEnd();
	Append(*File, Episode);
	Append(*File, Step);
	Append(*File, Observed, /* bZeros = */ false);
	Append(*File, Taken, /* bZeros = */ bLast);
	Append(*File, bLast ? 0.0f : Agent.GetReward());
	Append(*File, static_cast<uint8>(End == EUerlEnd::Terminated));
	Append(*File, static_cast<uint8>(End == EUerlEnd::Truncated));
	Append(*File, static_cast<uint8>(bLast));
	Step = bLast ? 0 : Step + 1;
	if (bLast)
	{
		Episode++;
		File->Flush(); // what a crash later may not take
	}
	if (File->IsError())
	{
		OutProblem = FString::Printf(
			TEXT("demonstrations file '%s' cannot be written any more, expected room on its disk"),
			*Path);
		return false;
	}
	return true;
}
