// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"
#include "UerlHumanComponent.generated.h"

/**
 * Lets the first player of the world play the agent that its actor is, with the keys that each
 * actuator's ReadKeys() knows. Uerl.HumanStart makes it; the policy's mode is Player.
 */
UCLASS(ClassGroup = (UerlShm), meta = (BlueprintSpawnableComponent))
class UERLSHM_API UUerlHumanComponent : public UActorComponent
{
	GENERATED_BODY()

public:
	UUerlHumanComponent();

	virtual void TickComponent(float DeltaTime, ELevelTick TickType,
		FActorComponentTickFunction* ThisTickFunction) override;
};
