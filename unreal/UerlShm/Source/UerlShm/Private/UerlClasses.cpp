// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlClasses.h"

#include "Dom/JsonObject.h"
#include "GameFramework/Actor.h"
#include "UObject/Class.h"
#include "UObject/UObjectHash.h"
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

	UClass* FindPart(
		UClass* Base, const FString& Kind, const FJsonObject& Settings, FString& OutProblem)
	{
		FString Name = Kind, Known;
		bool bUsesGpu = false;
		if (Kind == TEXT("camera"))
		{
			Settings.TryGetBoolField(TEXT("use_gpu"), bUsesGpu);
			Name = bUsesGpu ? TEXT("camera_gpu") : TEXT("camera_cpu");
		}
		UClass* const Class = FindByName(Base, Name, Known);
		if (Class == nullptr)
		{
			OutProblem = FString::Printf(
				TEXT("'%s' not found, expected one of:%s, or the path of a Blueprint"), *Kind,
				*Known);
		}
		return Class;
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
