// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSpec.h"

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "Serialization/JsonSerializer.h"
#include "Serialization/JsonWriter.h"
#include "UerlAgentComponent.h"
#include "UerlRows.h"

namespace UerlSpec
{
	static FUerlGroup& FindOrAdd(TArray<FUerlGroup>& Groups, const FString& Name)
	{
		for (FUerlGroup& Group : Groups)
		{
			if (Group.Name == Name)
			{
				return Group;
			}
		}
		return Groups.Add_GetRef({ Name, {} });
	}

	TArray<FUerlGroup> MakeGroups(
		const TArray<UUerlAgentComponent*>& Agents, TArray<FString>& OutProblems)
	{
		TArray<FUerlGroup> Groups;
		for (UUerlAgentComponent* const Agent : Agents)
		{
			FUerlGroup& Group = FindOrAdd(Groups, Agent->Group);
			if (Group.Agents.Num() > 0 &&
				FUerlRows::ListArrays(*Agent) != FUerlRows::ListArrays(*Group.Agents[0]))
			{
				OutProblems.Add(
					FString::Printf(TEXT("agents %s and %s of group '%s' have different arrays, "
										 "expected the same: set Group of one"),
						*Group.Agents[0]->GetAgentName(), *Agent->GetAgentName(), *Group.Name));
			}
			if (Agent->Sensors.Num() == 0 || Agent->Actuators.Num() == 0)
			{
				OutProblems.Add(FString::Printf(
					TEXT("agent %s has %d sensors and %d actuators, expected at least one of each"),
					*Agent->GetAgentName(), Agent->Sensors.Num(), Agent->Actuators.Num()));
			}
			Group.Agents.Add(Agent);
		}
		return Groups;
	}

	static TSharedRef<FJsonObject> ToJson(const FUerlGroup& Group)
	{
		TSharedRef<FJsonObject> Json = MakeShared<FJsonObject>();
		const TCHAR* const Kinds[] = { TEXT("observation"), TEXT("action"), TEXT("info") };
		for (const TCHAR* const Kind : Kinds)
		{
			TSharedRef<FJsonObject> Arrays = MakeShared<FJsonObject>();
			for (const TPair<FString, FUerlArray>& Array : FUerlRows::ListArrays(*Group.Agents[0]))
			{
				FString Prefix, Name;
				Array.Key.Split(TEXT("/"), &Prefix, &Name);
				if (Prefix == Kind)
				{
					Arrays->SetObjectField(Name, Array.Value.ToJson());
				}
			}
			Json->SetObjectField(Kind, Arrays);
		}
		Json->SetStringField(TEXT("name"), Group.Name);
		Json->SetNumberField(TEXT("agents"), Group.Agents.Num());
		return Json;
	}

	FString ToJson(const FString& Name, const TArray<FUerlGroup>& Groups,
		const TMap<FName, double>& Parameters)
	{
		TArray<TSharedPtr<FJsonValue>> List;
		for (const FUerlGroup& Group : Groups)
		{
			List.Add(MakeShared<FJsonValueObject>(ToJson(Group)));
		}
		TSharedRef<FJsonObject> Numbers = MakeShared<FJsonObject>();
		for (const TPair<FName, double>& Parameter : Parameters)
		{
			Numbers->SetNumberField(Parameter.Key.ToString(), Parameter.Value);
		}
		TSharedRef<FJsonObject> Spec = MakeShared<FJsonObject>();
		Spec->SetNumberField(TEXT("layout"), 1);
		Spec->SetStringField(TEXT("name"), Name);
		Spec->SetArrayField(TEXT("groups"), List);
		Spec->SetObjectField(TEXT("parameters"), Numbers);
		FString Text;
		FJsonSerializer::Serialize(Spec, TJsonWriterFactory<>::Create(&Text));
		return Text;
	}
} // namespace UerlSpec
