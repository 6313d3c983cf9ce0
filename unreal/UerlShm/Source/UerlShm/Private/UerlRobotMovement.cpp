// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlRobotMovement.h"

#include "Engine/World.h"
#include "GameFramework/Character.h"
#include "GameFramework/PlayerController.h"
#include "GameFramework/WorldSettings.h"
#include "InputCoreTypes.h"
#include "Misc/App.h"
#include "UerlSettings.h"

static constexpr int32 NumRobotKeys = 5;

void UUerlRobotMovementActuator::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("turn_rate"), TurnRate);
}

bool UUerlRobotMovementActuator::Attach(FString& OutProblem)
{
	Character = Cast<ACharacter>(GetActor());
	if (Character == nullptr)
	{
		OutProblem = FString::Printf(TEXT("%s is no character, expected an ACharacter: derive the "
										  "agent's class from it, or use movement_input"),
			*GetActor()->GetName());
	}
	return Character != nullptr;
}

void UUerlRobotMovementActuator::Reset_Implementation(const FUerlReset& Reset)
{
	Character->StopJumping();
}

FUerlArray UUerlRobotMovementActuator::Describe() const
{
	FUerlArray Array;
	Array.Type = EUerlType::Int64;
	Array.Kind = EUerlKind::MultiDiscrete;
	Array.Shape = { NumRobotKeys };
	Array.Choices = { 2, 2, 2, 2, 2 };
	return Array;
}

// The world's own time step is not known before it ticks; this is what it will be.
void UUerlRobotMovementActuator::Turn(double Direction) const
{
	const AWorldSettings* const Settings = Character->GetWorld()->GetWorldSettings();
	const double Seconds = FApp::GetDeltaTime() * Settings->GetEffectiveTimeDilation();
	Character->AddActorWorldRotation(FRotator(0.0, Direction * TurnRate * Seconds, 0.0));
}

void UUerlRobotMovementActuator::Act(TArrayView<const uint8> Row)
{
	int64 Keys[NumRobotKeys] = {};
	FMemory::Memcpy(Keys, Row.GetData(), sizeof(Keys));
	const auto IsDown = [&Keys](int32 Key) { return Keys[Key] != 0 ? 1 : 0; };
	const int32 Forward = IsDown(0) - IsDown(1), Right = IsDown(2) - IsDown(3);
	if (Forward != 0)
	{
		Character->AddMovementInput(
			Character->GetActorForwardVector(), static_cast<float>(Forward));
	}
	if (Right != 0)
	{
		Turn(Right);
	}
	if (IsDown(4) != 0)
	{
		Character->Jump();
	}
	else
	{
		Character->StopJumping();
	}
}

TArray<float> UUerlRobotMovementActuator::ReadKeys(const APlayerController& Player) const
{
	const FKey Keys[NumRobotKeys] = { EKeys::W, EKeys::S, EKeys::D, EKeys::A, EKeys::SpaceBar };
	TArray<float> Values;
	for (const FKey& Key : Keys)
	{
		Values.Add(Player.IsInputKeyDown(Key) ? 1.0f : 0.0f);
	}
	return Values;
}
