// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlHumanComponent.h"

#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "GameFramework/PlayerController.h"
#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlPolicyComponent.h"

UUerlHumanComponent::UUerlHumanComponent()
{
	PrimaryComponentTick.bCanEverTick = true;
}

void UUerlHumanComponent::TickComponent(
	float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction)
{
	Super::TickComponent(DeltaTime, TickType, ThisTickFunction);
	const APlayerController* const Player = GetWorld()->GetFirstPlayerController();
	const UUerlAgentComponent* const Agent =
		GetOwner()->FindComponentByClass<UUerlAgentComponent>();
	UUerlPolicyComponent* const Policy = GetOwner()->FindComponentByClass<UUerlPolicyComponent>();
	if (Player == nullptr || Agent == nullptr || Policy == nullptr)
	{
		return;
	}
	for (const UUerlActuator* const Actuator : Agent->Actuators)
	{
		const TArray<float> Values = Actuator->ReadKeys(*Player);
		if (Values.Num() > 0)
		{
			Policy->SetPlayerInput(Actuator->GetPartName(), Values);
		}
	}
}
