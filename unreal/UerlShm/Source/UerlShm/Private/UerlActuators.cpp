// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlActuators.h"

#include "GameFramework/Pawn.h"
#include "GameFramework/PlayerController.h"
#include "InputCoreTypes.h"
#include "UerlSettings.h"

void UUerlContinuousActuator::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("num_values"), NumValues, 1, 1 << 20);
	Settings.Read(TEXT("low"), Low);
	Settings.Read(TEXT("high"), High);
}

FUerlArray UUerlContinuousActuator::Describe() const
{
	return FUerlArray::Floats({ NumValues }, Low, High);
}

// The learner checks bounds where it can; NaN it lets through, and an engine would carry it on.
void UUerlContinuousActuator::Act(TArrayView<const uint8> Row)
{
	TArray<float> Values;
	Values.SetNumUninitialized(NumValues);
	FMemory::Memcpy(Values.GetData(), Row.GetData(), Row.Num());
	for (float& Value : Values)
	{
		Value =
			FMath::IsFinite(Value) ? FMath::Clamp(Value, Low, High) : FMath::Clamp(0.0f, Low, High);
	}
	ActContinuous(Values);
}

void UUerlContinuousActuator::ActContinuous_Implementation(const TArray<float>& Values)
{
}

void UUerlDiscreteActuator::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("num_choices"), NumChoices, 1, 1 << 20);
}

FUerlArray UUerlDiscreteActuator::Describe() const
{
	return FUerlArray::Discrete(NumChoices);
}

void UUerlDiscreteActuator::Act(TArrayView<const uint8> Row)
{
	int64 Choice = 0;
	FMemory::Memcpy(&Choice, Row.GetData(), sizeof(Choice));
	ActDiscrete(static_cast<int32>(FMath::Clamp<int64>(Choice, 0, NumChoices - 1)));
}

void UUerlDiscreteActuator::ActDiscrete_Implementation(int32 Choice)
{
}

UUerlMovementActuator::UUerlMovementActuator()
{
	NumValues = 2;
}

bool UUerlMovementActuator::Attach(FString& OutProblem)
{
	Pawn = Cast<APawn>(GetActor());
	if (Pawn == nullptr || NumValues != 2)
	{
		OutProblem =
			FString::Printf(TEXT("%s is no pawn with two inputs, expected a pawn and num_values 2"),
				*GetActor()->GetName());
		return false;
	}
	return true;
}

void UUerlMovementActuator::ActContinuous_Implementation(const TArray<float>& Values)
{
	Pawn->AddMovementInput(Pawn->GetActorForwardVector(), Values[0]);
	Pawn->AddMovementInput(Pawn->GetActorRightVector(), Values[1]);
}

TArray<float> UUerlMovementActuator::ReadKeys(const APlayerController& Player) const
{
	const auto IsDown = [&Player](const FKey& Key)
	{ return Player.IsInputKeyDown(Key) ? 1.0f : 0.0f; };
	return { IsDown(EKeys::W) - IsDown(EKeys::S), IsDown(EKeys::D) - IsDown(EKeys::A) };
}
