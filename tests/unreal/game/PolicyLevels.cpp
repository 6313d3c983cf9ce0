// PolicyLevels.cpp: a level whose agent has a policy of its own.
#include "PolicyLevels.h"

#include "Engine/World.h"
#include "Misc/CommandLine.h"
#include "Misc/Parse.h"
#include "UerlAgentComponent.h"
#include "UerlCameraGpu.h"
#include "UerlSensors.h"

UGameSideActuator::UGameSideActuator()
{
	PartName = TEXT("side");
	NumChoices = 3;
}

void UGameSideActuator::ActDiscrete_Implementation(int32 Choice)
{
	APawn* const Pawn = Cast<APawn>(GetActor());
	Pawn->AddMovementInput(Pawn->GetActorRightVector(), Choice == 0	  ? 0.0f
														: Choice == 1 ? -0.5f
																	  : 0.5f);
}

void UGameScatter::Reset_Implementation(const FUerlReset& Reset)
{
	Super::Reset_Implementation(Reset);
	const double X = std::rand() % 2000 - 1000.0; // seeded by FMath::RandInit()
	const double Y = std::rand() % 2000 - 1000.0;
	GetActor()->SetActorLocation(FVector(X, Y, 0.0));
}

static float Sign(float Value)
{
	return Value > 0.0f ? 1.0f : Value < 0.0f ? -1.0f : 0.0f;
}

void UGamePolicy::Decide_Implementation(TMap<FName, FUerlValues>& Actions)
{
	const TArray<float> Location = GetObservation(TEXT("location"));
	check(Location.Num() == 3 && Actions.FindRef(TEXT("movement_input")).Values.Num() == 2);
	Actions.FindOrAdd(TEXT("movement_input")).Values = { -Sign(Location[0]), 0.0f };
	Actions.FindOrAdd(TEXT("side")).Values = { Location[1] > 0.0f ? 1.0f : 2.0f };
}

static EUerlPolicyMode ReadMode(const TCHAR* Key)
{
	FString Text;
	FParse::Value(FCommandLine::Get(), Key, Text);
	return Text == TEXT("Internal")	   ? EUerlPolicyMode::Internal
		   : Text == TEXT("Heuristic") ? EUerlPolicyMode::Heuristic
		   : Text == TEXT("Player")	   ? EUerlPolicyMode::Player
									   : EUerlPolicyMode::External;
}

void AGamePerson::Tick(float DeltaSeconds)
{
	int32 SwitchAt = -1;
	FParse::Value(FCommandLine::Get(), TEXT("ShimSwitchAt="), SwitchAt);
	Policy->SetPlayerInput(TEXT("movement_input"), { 0.5f, -0.25f });
	Policy->SetPlayerInput(TEXT("side"), { 7.0f }); // more than there are: the last one
	if (++NumTicks == SwitchAt)
	{
		Policy->Mode = ReadMode(TEXT("ShimSwitchTo="));
	}
}

void OpenPolicy(UWorld& World)
{
	int32 Side = 0;
	FParse::Value(FCommandLine::Get(), TEXT("ShimCamera="), Side);
	AGameAgent* const Pawn = World.SpawnActor<AGameAgent>(AGameAgent::StaticClass());
	Pawn->Name = TEXT("Walker");
	UUerlAgentComponent* const Agent = NewObject<UUerlAgentComponent>(Pawn);
	Agent->RegisterComponent();
	Agent->Sensors.Add(NewObject<UUerlLocationSensor>(Agent));
	UUerlVelocitySensor* const Velocity = NewObject<UUerlVelocitySensor>(Agent);
	Velocity->PartName = TEXT("velocity");
	Velocity->bNormalise = false;
	Agent->Sensors.Add(Velocity);
	if (Side > 0)
	{
		UUerlCameraGpuSensor* const Camera = NewObject<UUerlCameraGpuSensor>(Agent);
		Camera->PartName = TEXT("camera");
		Camera->Width = Camera->Height = Side;
		Agent->Sensors.Add(Camera);
	}
	Agent->Actuators.Add(NewObject<UUerlMovementActuator>(Agent));
	Agent->Actuators.Add(NewObject<UGameSideActuator>(Agent));
	UGameScatter* const Scatter = NewObject<UGameScatter>(Agent);
	Scatter->MaxSteps = 20;
	Agent->Terminators.Add(Scatter);
	UGamePolicy* const Policy = NewObject<UGamePolicy>(Pawn);
	Policy->RegisterComponent();
	Policy->Mode = ReadMode(TEXT("ShimMode="));
	FParse::Value(FCommandLine::Get(), TEXT("ShimModel="), Policy->ModelFile);
	FParse::Value(FCommandLine::Get(), TEXT("ShimRecord="), Policy->RecordFile);
	World.SpawnActor<AGamePerson>(AGamePerson::StaticClass())->Policy = Policy;
}
