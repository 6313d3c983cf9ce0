// Game.cpp: the levels of the tests.
#include "Game.h"

#include "CameraLevels.h"
#include "Components/PrimitiveComponent.h"
#include "Engine/World.h"
#include "Misc/CommandLine.h"
#include "Misc/Parse.h"
#include "PolicyLevels.h"
#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlCameraGpu.h"
#include "UerlInfos.h"
#include "UerlLevels.h"
#include "UerlRewarders.h"
#include "UerlSensors.h"
#include "UerlTerminators.h"

AGameAgent::AGameAgent()
{
	GetBody()->BoxExtent = FVector(50.0);
}

static AGameBox* AddBox(
	UWorld& World, const TCHAR* Name, FVector Location, FVector Extent, bool bBlocks)
{
	FActorSpawnParameters Parameters;
	Parameters.Name = FName(Name);
	AGameBox* const Box =
		World.SpawnActor<AGameBox>(AGameBox::StaticClass(), FTransform(Location), Parameters);
	Box->GetBody()->BoxExtent = Extent;
	Box->GetBody()->bBlocks = bBlocks;
	return Box;
}

template <typename PartType>
static PartType* Add(UUerlAgentComponent& Agent, TArray<TObjectPtr<PartType>>& Parts, UClass* Class,
	const TCHAR* Name = TEXT(""))
{
	PartType* const Part = NewObject<PartType>(&Agent, Class);
	Part->PartName = FName(Name);
	Parts.Add(Part);
	return Part;
}

static UUerlAgentComponent& AddAgent(UWorld& World, const TCHAR* Name, FVector Location)
{
	FActorSpawnParameters Parameters;
	Parameters.Name = FName(Name);
	AGameAgent* const Pawn =
		World.SpawnActor<AGameAgent>(AGameAgent::StaticClass(), FTransform(Location), Parameters);
	UUerlAgentComponent* const Agent = NewObject<UUerlAgentComponent>(Pawn);
	Agent->RegisterComponent();
	Add(*Agent, Agent->Sensors, UUerlLocationSensor::StaticClass());
	Add(*Agent, Agent->Actuators, UUerlMovementActuator::StaticClass());
	return *Agent;
}

// One agent that walks towards a goal, with a sensor of each kind that needs no picture.
static void OpenWalk(UWorld& World)
{
	AddBox(World, TEXT("Goal"), FVector(1000.0, 0.0, 0.0), FVector(50.0), true)
		->Tags.Add(TEXT("Target"));
	AddBox(World, TEXT("Apple"), FVector(0.0, 300.0, 0.0), FVector(50.0), false)
		->Tags.Add(TEXT("Pickup"));
	AddBox(World, TEXT("Exit"), FVector(0.0, -2000.0, 0.0), FVector(500.0), false)
		->GetBody()
		->bBlocks = false;
	UUerlAgentComponent& Agent = AddAgent(World, TEXT("Walker"), FVector::ZeroVector);
	Agent.Parameters.Add(TEXT("difficulty"), 0.5);
	Cast<UUerlVelocitySensor>(
		Add(Agent, Agent.Sensors, UUerlVelocitySensor::StaticClass(), TEXT("velocity")))
		->bNormalise = false;
	Add(Agent, Agent.Sensors, UUerlRotationSensor::StaticClass());
	Add(Agent, Agent.Sensors, UUerlRayFanSensor::StaticClass());
	UUerlDistanceSensor* const Distance = NewObject<UUerlDistanceSensor>(&Agent);
	Distance->TargetActorName = TEXT("Goal");
	Agent.Sensors.Add(Distance);
	UUerlTargetDistanceRewarder* const Nearer = NewObject<UUerlTargetDistanceRewarder>(&Agent);
	Nearer->TargetActorName = TEXT("Target");
	Nearer->RewardPerCm = 0.01f;
	Agent.Rewarders.Add(Nearer);
	Add(Agent, Agent.Rewarders, UUerlPickupRewarder::StaticClass());
	Add(Agent, Agent.Rewarders, UUerlOnHitRewarder::StaticClass());
	UUerlStepCounterTerminator* const Counter = NewObject<UUerlStepCounterTerminator>(&Agent);
	Counter->MaxSteps = 50;
	Agent.Terminators.Add(Counter);
	UUerlVolumeTerminator* const Volume = NewObject<UUerlVolumeTerminator>(&Agent);
	Volume->VolumeName = TEXT("Exit");
	Agent.Terminators.Add(Volume);
	Add(Agent, Agent.Infos, UUerlEpisodeInfo::StaticClass());
}

// Two agents of one group and one of another.
static void OpenTeams(UWorld& World)
{
	AddAgent(World, TEXT("RedOne"), FVector(0.0, 0.0, 0.0)).Group = TEXT("red");
	AddAgent(World, TEXT("RedTwo"), FVector(0.0, 1000.0, 0.0)).Group = TEXT("red");
	UUerlAgentComponent& Blue = AddAgent(World, TEXT("Blue"), FVector(1000.0, 0.0, 0.0));
	Blue.Group = TEXT("blue");
	Add(Blue, Blue.Sensors, UUerlVelocitySensor::StaticClass(), TEXT("velocity"));
}

// Two cameras that the GPU draws, one of them late if asked: -ShimLatency=1.
static void OpenCameras(UWorld& World)
{
	UUerlAgentComponent& Agent = AddAgent(World, TEXT("Watcher"), FVector::ZeroVector);
	int32 Latency = 0, Width = 640, Height = 480;
	FParse::Value(FCommandLine::Get(), TEXT("ShimLatency="), Latency);
	FParse::Value(FCommandLine::Get(), TEXT("ShimWidth="), Width);
	FParse::Value(FCommandLine::Get(), TEXT("ShimHeight="), Height);
	UUerlCameraGpuSensor* const Small = NewObject<UUerlCameraGpuSensor>(&Agent);
	Small->PartName = TEXT("small");
	Small->Width = Small->Height = 84;
	Agent.Sensors.Add(Small);
	UUerlCameraGpuSensor* const Large = NewObject<UUerlCameraGpuSensor>(&Agent);
	Large->PartName = TEXT("large");
	Large->Width = Width;
	Large->Height = Height;
	Large->PixelLatency = Latency;
	Agent.Sensors.Add(Large);
	UUerlStepCounterTerminator* const Counter = NewObject<UUerlStepCounterTerminator>(&Agent);
	Counter->MaxSteps = 100;
	Agent.Terminators.Add(Counter);
}

// What a UERL configuration spawns agents into.
static void OpenEmpty(UWorld& World)
{
	AddBox(World, TEXT("Spawn1"), FVector(100.0, 200.0, 0.0), FVector::ZeroVector, false);
}

bool OpenLevel(UWorld& World, const FString& Name)
{
	if (Name == TEXT("Walk"))
	{
		OpenWalk(World);
	}
	else if (Name == TEXT("Teams"))
	{
		OpenTeams(World);
	}
	else if (Name == TEXT("Cameras"))
	{
		OpenCameras(World);
	}
	else if (Name == TEXT("Scene"))
	{
		OpenScene(World);
	}
	else if (Name == TEXT("Policy"))
	{
		OpenPolicy(World);
	}
	else if (Name == TEXT("CollectApplesMap"))
	{
		OpenApples(World);
	}
	else if (Name == TEXT("Empty"))
	{
		OpenEmpty(World);
	}
	else
	{
		return false;
	}
	return true;
}
