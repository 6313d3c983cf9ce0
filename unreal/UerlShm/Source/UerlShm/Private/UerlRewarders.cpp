// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlRewarders.h"

#include "Engine/World.h"
#include "GameFramework/Actor.h"
#include "UerlSettings.h"

static constexpr double CentimetresPerMetre = 100.0;

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
}

bool UUerlTargetDistanceRewarder::Attach(FString& OutProblem)
{
	Target = FindActor(TargetActorName, OutProblem);
	return Target != nullptr;
}

double UUerlTargetDistanceRewarder::GetDistance() const
{
	return IsValid(Target)
			   ? FVector::Dist(GetActor()->GetActorLocation(), Target->GetActorLocation())
			   : LastDistance;
}

void UUerlTargetDistanceRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	LastDistance = GetDistance();
}

float UUerlTargetDistanceRewarder::GetReward_Implementation()
{
	const double Distance = GetDistance();
	const double Gain = (LastDistance - Distance) / CentimetresPerMetre;
	LastDistance = Distance;
	return static_cast<float>(Gain);
}

void UUerlDirectionRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("direction"), Direction);
}

void UUerlDirectionRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	LastLocation = GetActor()->GetActorLocation();
}

float UUerlDirectionRewarder::GetReward_Implementation()
{
	const FVector Location = GetActor()->GetActorLocation();
	const double Gain = FVector::DotProduct(Location - LastLocation, Direction.GetSafeNormal()) /
						CentimetresPerMetre;
	LastLocation = Location;
	return static_cast<float>(Gain);
}

void UUerlOnHitRewarder::Configure(FUerlSettings& Settings)
{
	Super::Configure(Settings);
	Settings.Read(TEXT("value"), Value);
}

bool UUerlOnHitRewarder::Attach(FString& OutProblem)
{
	GetActor()->OnActorHit.AddDynamic(this, &UUerlOnHitRewarder::OnHit);
	return true;
}

void UUerlOnHitRewarder::OnHit(
	AActor* Agent, AActor* Other, FVector NormalImpulse, const FHitResult& Hit)
{
	bWasHit = true;
}

void UUerlOnHitRewarder::Reset_Implementation(const FUerlReset& Reset)
{
	bWasHit = false;
}

float UUerlOnHitRewarder::GetReward_Implementation()
{
	const float Reward = bWasHit ? Value : 0.0f;
	bWasHit = false;
	return Reward;
}
