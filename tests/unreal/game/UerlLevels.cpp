// UerlLevels.cpp: the level of UERL's README.
#include "UerlLevels.h"

#include "Components/PrimitiveComponent.h"
#include "Engine/World.h"
#include "EngineUtils.h"
#include "Game.h"
#include "HAL/IConsoleManager.h"
#include "Misc/CommandLine.h"
#include "Misc/FileHelper.h"
#include "Misc/Parse.h"
#include "UerlAgentComponent.h"

ABP_RobotAgent_C::ABP_RobotAgent_C()
{
	GetBody()->BoxExtent = FVector(50.0);
	USceneComponent* const Camera = CreateDefaultSubobject<USceneComponent>(TEXT("CameraComp"));
	Camera->SetupAttachment(GetRootComponent());
	Camera->SetRelativeLocation(FVector(0.0, 0.0, 50.0));
}

AGameApple::AGameApple()
{
	GetBody()->BoxExtent = FVector(20.0);
	GetBody()->bBlocks = false;
	Tags.Add(TEXT("Pickup"));
}

void AGameConsole::Tick(float DeltaSeconds)
{
	FString File, Text, Line;
	if (!FParse::Value(FCommandLine::Get(), TEXT("ShimConsole="), File))
	{
		return;
	}
	if (++NumTicks == 2 && FFileHelper::LoadFileToString(Text, *File))
	{
		FConsoleCommandWithWorldAndArgsDelegate::World = GetWorld();
		while (Text.Split(TEXT("\n"), &Line, &Text))
		{
			IConsoleManager::Get().ProcessUserConsoleInput(*Line);
		}
	}
	for (TActorIterator<ABP_RobotAgent_C> Robot(GetWorld()); Robot; ++Robot)
	{
		const UUerlAgentComponent* const Agent = Robot->FindComponentByClass<UUerlAgentComponent>();
		const FVector Where = Robot->GetActorLocation();
		std::printf("Game: %s at %g %g %g, step %d, sum %g\n",
			TCHAR_TO_UTF8(*Agent->GetAgentName()), Where.X, Where.Y, Where.Z,
			Agent->GetEpisodeSteps(), Agent->GetEpisodeReward());
	}
}

template <typename ActorType>
static ActorType* AddActor(UWorld& World, const TCHAR* Name, const FVector& Location,
	const FRotator& Rotation = FRotator())
{
	FActorSpawnParameters Parameters;
	Parameters.Name = FName(Name);
	return World.SpawnActor<ActorType>(
		ActorType::StaticClass(), FTransform(Rotation, Location), Parameters);
}

void OpenApples(UWorld& World)
{
	AddActor<AGameBox>(World, TEXT("Agent1"), FVector::ZeroVector);
	AddActor<AGameBox>(
		World, TEXT("Tilted"), FVector(0.0, 3000.0, 100.0), FRotator(30.0, 90.0, -60.0));
	AddActor<AGameApple>(World, TEXT("Apple1"), FVector(205.0, 0.0, 0.0));
	AddActor<AGameApple>(World, TEXT("Apple2"), FVector(415.0, 0.0, 0.0));
	AGameBox* const Wall = AddActor<AGameBox>(World, TEXT("Wall"), FVector(1015.0, 0.0, 0.0));
	Wall->GetBody()->BoxExtent = FVector(50.0, 500.0, 200.0);
	AddActor<AGameConsole>(World, TEXT("Console"), FVector::ZeroVector);
}
