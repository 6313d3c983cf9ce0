// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlPart.h"

#include "Components/SceneComponent.h"
#include "Engine/World.h"
#include "EngineUtils.h"
#include "GameFramework/Actor.h"
#include "UerlAgentComponent.h"
#include "UerlSettings.h"

FName UUerlPart::GetPartName() const
{
	if (!PartName.IsNone())
	{
		return PartName;
	}
	return GetKind().IsNone() ? GetClass()->GetFName() : GetKind();
}

void UUerlPart::Configure(FUerlSettings& Settings)
{
	Settings.Read(TEXT("name"), PartName);
	Settings.Ignore(TEXT("ue_class_name"));
}

bool UUerlPart::Attach(FString& OutProblem)
{
	return true;
}

void UUerlPart::Reset_Implementation(const FUerlReset& Reset)
{
}

UUerlAgentComponent* UUerlPart::GetAgent() const
{
	return GetTypedOuter<UUerlAgentComponent>();
}

AActor* UUerlPart::GetActor() const
{
	return GetTypedOuter<AActor>();
}

USceneComponent* UUerlPart::FindSceneComponent(FName Name, FString& OutProblem) const
{
	AActor* const Actor = GetActor();
	if (Name.IsNone() && Actor->GetRootComponent() != nullptr)
	{
		return Actor->GetRootComponent();
	}
	TInlineComponentArray<USceneComponent*> Components(Actor);
	FString Known;
	for (USceneComponent* const Component : Components)
	{
		if (Component->GetFName() == Name)
		{
			return Component;
		}
		Known += TEXT(" ") + Component->GetName();
	}
	OutProblem = FString::Printf(TEXT("component '%s' not found on %s, expected one of:%s"),
		*Name.ToString(), *Actor->GetName(), *Known);
	return nullptr;
}

AActor* UUerlPart::FindActor(FName Name, FString& OutProblem) const
{
	for (TActorIterator<AActor> Actor(GetActor()->GetWorld()); Actor; ++Actor)
	{
		if (Actor->GetFName() == Name || Actor->ActorHasTag(Name))
		{
			return *Actor;
		}
	}
	OutProblem =
		FString::Printf(TEXT("actor '%s' not found in the level, expected one of that name or tag"),
			*Name.ToString());
	return nullptr;
}

void UUerlActuator::Apply(TArrayView<const uint8> Row)
{
	LastAction = TArray<uint8>(Row.GetData(), Row.Num());
	Act(Row);
}

void UUerlRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("weight"), Weight);
}

float UUerlRewarder::GetReward_Implementation()
{
	return 0.0f;
}

EUerlEnd UUerlTerminator::GetEnd_Implementation()
{
	return EUerlEnd::GoesOn;
}
