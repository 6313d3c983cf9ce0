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
	return AgentId.IsEmpty() && GetOwner() != nullptr ? GetOwner()->GetName() : AgentId;
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
void UUerlAgentComponent::ConfigureParts(FUerlSettings& Settings, const FJsonObject& Config,
	const TCHAR* Key, TArray<TObjectPtr<PartType>>& Parts, TArray<FString>& OutProblems)
{
	const TArray<TSharedPtr<FJsonValue>>* Entries = nullptr;
	Settings.Ignore(Key); // read here
	if (!Config.HasField(Key))
	{
		return;
	}
	if (!Config.TryGetArrayField(Key, Entries))
	{
		Settings.AddProblem(
			FString::Printf(TEXT("has '%s' of another type, expected a list"), Key));
		return;
	}
	for (int32 Index = 0; Index < Entries->Num(); Index++)
	{
		const TSharedPtr<FJsonObject>* Json = nullptr;
		const TSharedPtr<FJsonValue>& Entry = (*Entries)[Index];
		const FString Where =
			FString::Printf(TEXT("agent %s, %s[%d]"), *GetAgentName(), Key, Index);
		if (!Entry.IsValid() || !Entry->TryGetObject(Json))
		{
			OutProblems.Add(Where + TEXT(" is of another type, expected an object"));
			continue;
		}
		FString Problem;
		UUerlPart* const Part =
			UerlClasses::MakePart(*this, PartType::StaticClass(), **Json, Problem);
		if (Part == nullptr)
		{
			OutProblems.Add(Where + TEXT(": ") + Problem);
			continue;
		}
		FUerlSettings OfPart(Json->ToSharedRef(), Where, OutProblems);
		Part->Configure(OfPart);
		Parts.Add(Cast<PartType>(Part));
	}
}

void UUerlAgentComponent::Configure(
	const TSharedRef<FJsonObject>& Config, TArray<FString>& OutProblems)
{
	FString ReadBySpawner;
	Config->TryGetStringField(TEXT("agent_id"), AgentId);
	FUerlSettings Settings(Config, TEXT("agent ") + GetAgentName(), OutProblems);
	Settings.Read(TEXT("agent_id"), AgentId);
	Settings.Read(TEXT("agent_ue_class"), ReadBySpawner);
	Settings.Read(TEXT("spawn_point_name"), ReadBySpawner);
	Settings.Read(TEXT("group"), Group);
	ConfigureParts(Settings, *Config, TEXT("sensor_configs"), Sensors, OutProblems);
	ConfigureParts(Settings, *Config, TEXT("actuator_configs"), Actuators, OutProblems);
	ConfigureParts(Settings, *Config, TEXT("rewarder_configs"), Rewarders, OutProblems);
	ConfigureParts(Settings, *Config, TEXT("terminator_configs"), Terminators, OutProblems);
	ConfigureParts(Settings, *Config, TEXT("infos_configs"), Infos, OutProblems);
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
	const int32 NumProblems = OutProblems.Num();
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
	bAttached = OutProblems.Num() == NumProblems;
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
