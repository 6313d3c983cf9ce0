// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlPolicyComponent.h"

#include "GameFramework/Actor.h"
#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlDemonstration.h"
#include "UerlInternalPolicy.h"
#include "UerlSensors.h"
#include "UerlShmModule.h"
#include "UerlValues.h"

UUerlPolicyComponent::UUerlPolicyComponent()
{
	PrimaryComponentTick.bCanEverTick = false; // decisions are made where the agent is stepped
}

static int32 NumPoliciesBegun = 0;

int32 UUerlPolicyComponent::GetNumBegun()
{
	return NumPoliciesBegun;
}

void UUerlPolicyComponent::BeginPlay()
{
	Super::BeginPlay();
	NumPoliciesBegun++;
}

UUerlPolicyComponent* UUerlPolicyComponent::Find(const UUerlAgentComponent& Agent)
{
	return Agent.GetOwner()->FindComponentByClass<UUerlPolicyComponent>();
}

void UUerlPolicyComponent::Decide_Implementation(TMap<FName, FUerlValues>& Actions)
{
}

void UUerlPolicyComponent::SetPlayerInput(FName Actuator, const TArray<float>& Values)
{
	PlayerInput.FindOrAdd(Actuator).Values = Values;
}

TArray<float> UUerlPolicyComponent::GetObservation(FName Sensor) const
{
	const UUerlAgentComponent* const Agent =
		GetOwner()->FindComponentByClass<UUerlAgentComponent>();
	for (int32 Index = 0; Agent != nullptr && Index < Observations.Num(); Index++)
	{
		if (Agent->Sensors[Index]->GetPartName() == Sensor)
		{
			return UerlValues::Read(Agent->Sensors[Index]->Describe(), Observations[Index]);
		}
	}
	return TArray<float>();
}

TSharedPtr<FJsonObject> UUerlPolicyComponent::GetEngine() const
{
	return Internal.IsValid() ? Internal->GetMetadata().Engine : nullptr;
}

bool UUerlPolicyComponent::Prepare(const UUerlAgentComponent& Agent, FString& OutProblem)
{
	if (Mode != EUerlPolicyMode::Internal)
	{
		return true;
	}
	if (!Internal.IsValid() && (LoadedFile != ModelFile || LoadProblem.IsEmpty()))
	{
		LoadedFile = ModelFile;
		LoadProblem.Empty();
		Internal = FUerlInternalPolicy::Load(ModelFile, Agent, LoadProblem);
	}
	else if (Internal.IsValid() && LoadedFile != ModelFile)
	{
		Internal.Reset();
		return Prepare(Agent, OutProblem);
	}
	OutProblem = LoadProblem;
	return Internal.IsValid();
}

void UUerlPolicyComponent::ResetRows(const UUerlAgentComponent& Agent)
{
	Observations.Reset();
	Taken.Reset();
	for (const UUerlSensor* const Sensor : Agent.Sensors)
	{
		Observations.AddDefaulted_GetRef().SetNumZeroed(
			static_cast<int32>(Sensor->Describe().NumBytes()));
	}
	for (const UUerlActuator* const Actuator : Agent.Actuators)
	{
		Taken.AddDefaulted_GetRef().SetNumZeroed(
			static_cast<int32>(Actuator->Describe().NumBytes()));
	}
}

void UUerlPolicyComponent::DecideByHand(const UUerlAgentComponent& Agent)
{
	TMap<FName, FUerlValues> Actions;
	for (const UUerlActuator* const Actuator : Agent.Actuators)
	{
		Actions.Add(Actuator->GetPartName())
			.Values.SetNumZeroed(static_cast<int32>(Actuator->Describe().NumValues()));
	}
	if (Mode == EUerlPolicyMode::Heuristic)
	{
		Decide(Actions);
	}
	else
	{
		Actions.Append(PlayerInput);
	}
	for (int32 Index = 0; Index < Agent.Actuators.Num(); Index++)
	{
		const UUerlActuator& Actuator = *Agent.Actuators[Index];
		const FUerlValues Chosen = Actions.FindRef(Actuator.GetPartName());
		UerlValues::Write(Actuator.Describe(), Chosen.Values, Taken[Index]);
	}
}

bool UUerlPolicyComponent::DecideRows(const UUerlAgentComponent& Agent)
{
	FString Problem;
	if (Mode != EUerlPolicyMode::Internal)
	{
		DecideByHand(Agent);
		return true;
	}
	if (Prepare(Agent, Problem) && Internal->Decide(Observations, Taken, Problem))
	{
		return true;
	}
	if (Problem != LastProblem) // once, not at each tick
	{
		UE_LOG(LogUerlShm, Error, TEXT("agent %s: %s"), *Agent.GetAgentName(), *Problem);
	}
	LastProblem = Problem;
	return false;
}

void UUerlPolicyComponent::Act(
	UUerlAgentComponent& Agent, TArrayView<const TArrayView<const uint8>> LearnerRows)
{
	if (Taken.Num() != Agent.Actuators.Num())
	{
		ResetRows(Agent);
	}
	if (!IsExternal())
	{
		if (!DecideRows(Agent))
		{
			return;
		}
	}
	else
	{
		for (int32 Index = 0; Index < LearnerRows.Num(); Index++)
		{
			FMemory::Memcpy(
				Taken[Index].GetData(), LearnerRows[Index].GetData(), Taken[Index].Num());
		}
	}
	for (int32 Index = 0; Index < Agent.Actuators.Num(); Index++)
	{
		Agent.Actuators[Index]->Apply(Taken[Index]);
	}
}

void UUerlPolicyComponent::Record(
	const UUerlAgentComponent& Agent, const TArray<TArray<uint8>>& Observed, bool bLast)
{
	FString Problem;
	if (RecordFile.IsEmpty() || bRecordingFailed)
	{
		return;
	}
	if (!Demonstration.IsValid())
	{
		Demonstration = FUerlDemonstration::Open(RecordFile, Agent, Problem);
	}
	bRecordingFailed =
		!Demonstration.IsValid() || !Demonstration->Write(Agent, Observed, Taken, bLast, Problem);
	if (bRecordingFailed)
	{
		UE_LOG(LogUerlShm, Error, TEXT("agent %s: %s"), *Agent.GetAgentName(), *Problem);
		Demonstration.Reset();
	}
}

void UUerlPolicyComponent::StopRecording()
{
	Demonstration.Reset();
}
