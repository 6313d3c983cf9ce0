// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlAgentComponent.h"

#include "Components/PrimitiveComponent.h"
#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "GameFramework/Actor.h"
#include "UerlClasses.h"
#include "UerlSettings.h"

UUerlAgentComponent::UUerlAgentComponent()
{
	PrimaryComponentTick.bCanEverTick = false; // the subsystem says when
}

void UUerlAgentComponent::BeginPlay()
{
	Super::BeginPlay();
	StartTransform = GetOwner()->GetActorTransform();
}

FString UUerlAgentComponent::GetAgentName() const
{
	return AgentId.IsEmpty() ? GetOwner()->GetName() : AgentId;
}

TArray<UUerlPart*> UUerlAgentComponent::GetParts() const
{
	TArray<UUerlPart*> Parts;
	const auto Add = [&Parts](const auto& Some)
	{
		for (const auto& Part : Some)
		{
			Parts.Add(Part);
		}
	};
	Add(Sensors);
	Add(Actuators);
	Add(Rewarders);
	Add(Terminators);
	Add(Infos);
	return Parts;
}

template <typename PartType>
void UUerlAgentComponent::ConfigureParts(const FJsonObject& Config, const TCHAR* Key,
	TArray<TObjectPtr<PartType>>& Parts, TArray<FString>& OutProblems)
{
	const TArray<TSharedPtr<FJsonValue>>* Entries = nullptr;
	if (!Config.HasField(Key))
	{
		return;
	}
	if (!Config.TryGetArrayField(Key, Entries))
	{
		OutProblems.Add(FString::Printf(
			TEXT("agent %s has '%s' of another type, expected a list"), *GetAgentName(), Key));
		return;
	}
	for (const TSharedPtr<FJsonValue>& Entry : *Entries)
	{
		const TSharedPtr<FJsonObject>* Json = nullptr;
		FString Kind;
		if (!Entry.IsValid() || !Entry->TryGetObject(Json) ||
			!(*Json)->TryGetStringField(TEXT("ue_class_name"), Kind))
		{
			OutProblems.Add(FString::Printf(
				TEXT("agent %s has one of '%s' without 'ue_class_name', expected it"),
				*GetAgentName(), Key));
			continue;
		}
		FString Problem;
		UClass* const Class = UerlClasses::FindPart(PartType::StaticClass(), Kind, **Json, Problem);
		if (Class == nullptr)
		{
			OutProblems.Add(FString::Printf(TEXT("agent %s: %s"), *GetAgentName(), *Problem));
			continue;
		}
		PartType* const Part = NewObject<PartType>(this, Class);
		FUerlSettings Settings(Json->ToSharedRef(),
			FString::Printf(TEXT("agent %s, %s"), *GetAgentName(), *Kind), OutProblems);
		Part->Configure(Settings);
		Parts.Add(Part);
	}
}

void UUerlAgentComponent::Configure(
	const TSharedRef<FJsonObject>& Config, TArray<FString>& OutProblems)
{
	ConfigureParts(*Config, TEXT("sensors"), Sensors, OutProblems);
	ConfigureParts(*Config, TEXT("actuators"), Actuators, OutProblems);
	ConfigureParts(*Config, TEXT("rewarders"), Rewarders, OutProblems);
	ConfigureParts(*Config, TEXT("terminators"), Terminators, OutProblems);
	ConfigureParts(*Config, TEXT("infos"), Infos, OutProblems);
}

template <typename PartType>
static void CheckNames(const TCHAR* What, const FString& Agent,
	const TArray<TObjectPtr<PartType>>& Parts, TArray<FString>& OutProblems)
{
	TSet<FName> Names;
	for (const PartType* const Part : Parts)
	{
		bool bTaken = false;
		Names.Add(Part->GetPartName(), &bTaken);
		if (bTaken)
		{
			OutProblems.Add(FString::Printf(TEXT("agent %s has two %s named '%s', expected "
												 "different names: set PartName of one"),
				*Agent, What, *Part->GetPartName().ToString()));
		}
	}
}

void UUerlAgentComponent::AttachParts(TArray<FString>& OutProblems)
{
	Sensors.Remove(nullptr); // entries that were left empty in the editor
	Actuators.Remove(nullptr);
	Rewarders.Remove(nullptr);
	Terminators.Remove(nullptr);
	Infos.Remove(nullptr);
	for (UUerlPart* const Part : GetParts())
	{
		FString Problem;
		if (!Part->Attach(Problem))
		{
			OutProblems.Add(FString::Printf(TEXT("agent %s, %s: %s"), *GetAgentName(),
				*Part->GetPartName().ToString(), *Problem));
		}
	}
	CheckNames(TEXT("sensors"), GetAgentName(), Sensors, OutProblems);
	CheckNames(TEXT("actuators"), GetAgentName(), Actuators, OutProblems);
	CheckNames(TEXT("infos"), GetAgentName(), Infos, OutProblems);
}

void UUerlAgentComponent::ResetAgent(const FUerlReset& What)
{
	AActor* const Actor = GetOwner();
	Actor->SetActorTransform(
		StartTransform, /* bSweep = */ false, nullptr, ETeleportType::ResetPhysics);
	if (UPrimitiveComponent* const Root = Cast<UPrimitiveComponent>(Actor->GetRootComponent());
		Root != nullptr && Root->IsSimulatingPhysics())
	{
		Root->SetPhysicsLinearVelocity(FVector::ZeroVector);
		Root->SetPhysicsAngularVelocityInDegrees(FVector::ZeroVector);
	}
	Reward = 0.0f;
	EpisodeReward = 0.0f;
	EpisodeSteps = 0;
	End = EUerlEnd::GoesOn;
	for (UUerlPart* const Part : GetParts())
	{
		Part->Reset(What);
	}
}

void UUerlAgentComponent::FinishTick(float DeltaSeconds)
{
	for (UUerlPart* const Part : GetParts())
	{
		Part->AfterTick(DeltaSeconds);
	}
	EpisodeSteps++;
	Reward = 0.0f;
	for (UUerlRewarder* const Rewarder : Rewarders)
	{
		Reward += Rewarder->Weight * Rewarder->GetReward();
	}
	EpisodeReward += Reward;
	for (UUerlTerminator* const Terminator : Terminators)
	{
		const EUerlEnd Said = Terminator->GetEnd();
		if (Said == EUerlEnd::Terminated ||
			End == EUerlEnd::GoesOn) // the end of the task outweighs a cut
		{
			End = Said;
		}
	}
}
