// ShimPawns.h: pawns, characters, who controls them, and keys.
#pragma once

#include "ShimActors.h"

#include "ShimPawns.generated.h"

class APawn;

struct FKey {
    char Letter;
};
struct EKeys {
    static constexpr FKey W = {'W'}, A = {'A'}, S = {'S'}, D = {'D'}, SpaceBar = {'_'};
};

UCLASS()
class AController : public AActor
{
    GENERATED_BODY()

  public:
    virtual void Possess(APawn *Pawn);
};

UCLASS()
class APlayerController : public AController
{
    GENERATED_BODY()

  public:
    bool IsInputKeyDown(FKey Key) const; // of -ShimKeys=
    TObjectPtr<APlayerState> PlayerState;
};

UCLASS()
class UPawnMovementComponent : public UActorComponent
{
    GENERATED_BODY()

  public:
    virtual float GetMaxSpeed() const
    {
        return 600.0f;
    }
    FVector Velocity;
};

UCLASS()
class APawn : public AActor
{
    GENERATED_BODY()

  public:
    void AddMovementInput(FVector Direction, float Scale)
    {
        Input += Direction * Scale;
    }
    void SpawnDefaultController();
    virtual UPawnMovementComponent *GetMovementComponent() const
    {
        return nullptr;
    }
    TObjectPtr<AController> Controller;
    FVector Input;
};

// Moves only if somebody controls it; rises for as long as it is told to jump.
UCLASS()
class ACharacter : public APawn
{
    GENERATED_BODY()

  public:
    ACharacter()
    {
        Movement = CreateDefaultSubobject<UPawnMovementComponent>(u"CharMoveComp");
    }
    virtual UPawnMovementComponent *GetMovementComponent() const override
    {
        return Movement;
    }
    virtual void Jump()
    {
        bPressedJump = true;
    }
    virtual void StopJumping()
    {
        bPressedJump = false;
    }
    static constexpr double RiseSpeed = 420.0;
    bool bPressedJump = false;

  private:
    UPawnMovementComponent *Movement;
};

class UCollisionProfile
{
  public:
    static UCollisionProfile *Get()
    {
        static UCollisionProfile Profile;
        return &Profile;
    }
    FName ReturnChannelNameFromContainerIndex(int32 Index) const
    {
        return Index == ECC_Visibility ? u"Visibility" : Index == ECC_Camera ? u"Camera" : u"";
    }
};
