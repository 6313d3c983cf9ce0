// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlRewarders.h"

#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "UerlSettings.h"

void UUerlPickupRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("pickup_tag"), PickupTag);
	Settings.Read(TEXT("value"), Value);
}

bool UUerlPickupRewarder::Attach(FString& OutProblem)
{
	GetActor()->OnActorBeginOverlap.AddDynamic(this, &UUerlPickupRewarder::OnOverlap);
	return true;
}

static void Show(AActor* Actor, bool bShown)
{
	Actor->SetActorHiddenInGame(!bShown);
	Actor->SetActorEnableCollision(bShown);
}

void UUerlPickupRewarder::OnOverlap(AActor* Agent, AActor* Other)
{
	if (Other != nullptr && Other->ActorHasTag(PickupTag) && !PickedUp.Contains(Other))
	{
		PickedUp.Add(Other);
		Show(Other, false);
		NumNew++;
	}
}

void UUerlPickupRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	for (AActor* const Actor : PickedUp)
	{
		if (IsValid(Actor))
		{
			Show(Actor, true);
		}
	}
	PickedUp.Reset();
	NumNew = 0;
}

float UUerlPickupRewarder::GetReward_Implementation()
{
	const float Reward = Value * NumNew;
	NumNew = 0;
	return Reward;
}

void UUerlTargetDistanceRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("target_actor_name"), TargetActorName);
	Settings.Read(TEXT("target_location"), TargetLocation);
	Settings.Read(TEXT("reward_per_cm"), RewardPerCm);
}

bool UUerlTargetDistanceRewarder::Attach(FString& OutProblem)
{
	if (TargetActorName.IsNone())
	{
		return true;
	}
	Target = FindActor(TargetActorName, OutProblem);
	return Target != nullptr;
}

double UUerlTargetDistanceRewarder::GetDistance() const
{
	if (!TargetActorName.IsNone() && !IsValid(Target))
	{
		return LastDistance; // it has been destroyed
	}
	return FVector::Dist(GetActor()->GetActorLocation(),
		TargetActorName.IsNone() ? TargetLocation : Target->GetActorLocation());
}

void UUerlTargetDistanceRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	LastDistance = GetDistance();
}

float UUerlTargetDistanceRewarder::GetReward_Implementation()
{
	const double Distance = GetDistance();
	const double Gain = (LastDistance - Distance) * RewardPerCm;
	LastDistance = Distance;
	return static_cast<float>(Gain);
}

void UUerlDirectionRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("direction"), Direction);
	Settings.Read(TEXT("reward_per_cm"), RewardPerCm);
}

void UUerlDirectionRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	LastLocation = GetActor()->GetActorLocation();
}

float UUerlDirectionRewarder::GetReward_Implementation()
{
	const FVector Location = GetActor()->GetActorLocation();
	const double Gain =
		FVector::DotProduct(Location - LastLocation, Direction.GetSafeNormal()) * RewardPerCm;
	LastLocation = Location;
	return static_cast<float>(Gain);
}

void UUerlOnHitRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("on_hit_reward"), Value);
}

bool UUerlOnHitRewarder::Attach(FString& OutProblem)
{
	GetActor()->OnActorHit.AddDynamic(this, &UUerlOnHitRewarder::OnHit);
	return true;
}

void UUerlOnHitRewarder::OnHit(
	AActor* Agent, AActor* Other, FVector NormalImpulse, const FHitResult& Hit)
{
	NumHits++;
}

void UUerlOnHitRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	NumHits = 0;
}

float UUerlOnHitRewarder::GetReward_Implementation()
{
	const float Reward = Value * NumHits;
	NumHits = 0;
	return Reward;
}
