// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlClasses.h"

#include "Dom/JsonObject.h"
#include "GameFramework/Actor.h"
#include "UObject/Class.h"
#include "UObject/UObjectHash.h"
#include "UerlAgentComponent.h"
#include "UerlInfos.h"
#include "UerlPart.h"

namespace UerlClasses
{
	static UClass* FindByName(UClass* Base, const FString& Name, FString& OutKnown)
	{
		TArray<UClass*> Classes;
		GetDerivedClasses(Base, Classes, /* bRecursive = */ true);
		for (UClass* const Class : Classes)
		{
			if (Class->HasAnyClassFlags(
					CLASS_Abstract | CLASS_Deprecated | CLASS_NewerVersionExists))
			{
				continue;
			}
			const UUerlPart* const Part = Cast<UUerlPart>(Class->GetDefaultObject());
			const FName Kind = Part != nullptr ? Part->GetKind() : NAME_None;
			if ((!Kind.IsNone() && Kind == FName(*Name)) || Class->GetName() == Name ||
				Class->GetName() == Name + TEXT("_C"))
			{
				return Class;
			}
			OutKnown += TEXT(" ") + (Kind.IsNone() ? Class->GetName() : Kind.ToString());
		}
		return Name.StartsWith(TEXT("/")) ? StaticLoadClass(Base, nullptr, *Name) : nullptr;
	}

	static UClass* FindKind(
		UClass* Base, const FString& Kind, const FJsonObject& Settings, FString& OutKnown)
	{
		bool bUsesGpu = false;
		if (Kind != TEXT("camera") && Kind != TEXT("spectator_camera"))
		{
			return FindByName(Base, Kind, OutKnown);
		}
		Settings.TryGetBoolField(TEXT("use_gpu"), bUsesGpu);
		return FindByName(Base, bUsesGpu ? TEXT("camera_gpu") : TEXT("camera_cpu"), OutKnown);
	}

	static FString NotFound(const FString& Kind, const FString& Known)
	{
		return FString::Printf(
			TEXT("'%s' not found, expected one of:%s, or the path of a Blueprint"), *Kind, *Known);
	}

	UClass* FindPart(
		UClass* Base, const FString& Kind, const FJsonObject& Settings, FString& OutProblem)
	{
		FString Known;
		UClass* const Class = FindKind(Base, Kind, Settings, Known);
		if (Class == nullptr)
		{
			OutProblem = NotFound(Kind, Known);
		}
		return Class;
	}

	UUerlPart* MakePart(
		UUerlAgentComponent& Agent, UClass* Base, const FJsonObject& Settings, FString& OutProblem)
	{
		FString Kind, Known;
		if (!Settings.TryGetStringField(TEXT("ue_class_name"), Kind))
		{
			OutProblem = TEXT("a part without 'ue_class_name', expected the name of its kind");
			return nullptr;
		}
		if (UClass* const Class = FindKind(Base, Kind, Settings, Known))
		{
			return NewObject<UUerlPart>(&Agent, Class);
		}
		UClass* const Sensor = Base == UUerlInfo::StaticClass()
								   ? FindKind(UUerlSensor::StaticClass(), Kind, Settings, Known)
								   : nullptr;
		if (Sensor == nullptr)
		{
			OutProblem = NotFound(Kind, Known);
			return nullptr;
		}
		UUerlSensorInfo* const Info = NewObject<UUerlSensorInfo>(&Agent);
		Info->Sensor = NewObject<UUerlSensor>(Info, Sensor);
		return Info;
	}

	UClass* FindActorClass(const FString& Name, FString& OutProblem)
	{
		FString Known;
		UClass* const Class = FindByName(AActor::StaticClass(), Name, Known);
		if (Class == nullptr)
		{
			OutProblem = FString::Printf(
				TEXT("actor class '%s' not found, expected the name of a loaded class or the path "
					 "of a Blueprint such as /Game/Agents/BP_Agent.BP_Agent_C"),
				*Name);
		}
		return Class;
	}
} // namespace UerlClasses
