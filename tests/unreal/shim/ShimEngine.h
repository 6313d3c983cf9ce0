// ShimEngine.h: worlds, ticks and traces, as far as the plugin uses them.
//
// A tick moves pawns by their input at 600 cm/s; boxes that block stop them and say OnActorHit,
// boxes that overlap say OnActorBeginOverlap.
#pragma once

#include "ShimPawns.h"

#include "ShimEngine.generated.h"

class FSubsystemCollectionBase
{
};
UCLASS()
class UWorldSubsystem : public UObject
{
    GENERATED_BODY()

  public:
    virtual void Initialize(FSubsystemCollectionBase &)
    {
    }
    virtual void Deinitialize()
    {
    }
    virtual void OnWorldBeginPlay(UWorld &)
    {
    }
    virtual bool ShouldCreateSubsystem(UObject *) const
    {
        return true;
    }
    bool ShimSupports(EWorldType::Type Type) const
    {
        return DoesSupportWorldType(Type);
    }
    virtual UWorld *GetWorld() const override;

  protected:
    virtual bool DoesSupportWorldType(const EWorldType::Type) const
    {
        return true;
    }
};

enum class ESpawnActorCollisionHandlingMethod { Undefined, AlwaysSpawn };
struct FActorSpawnParameters {
    ESpawnActorCollisionHandlingMethod SpawnCollisionHandlingOverride =
        ESpawnActorCollisionHandlingMethod::Undefined;
    FName Name;
};

UCLASS()
class UWorld : public UObject
{
    GENERATED_BODY()

  public:
    EWorldType::Type WorldType = EWorldType::Game;
    TArray<AActor *> Actors;
    TArray<UWorldSubsystem *> Subsystems;
    int64 NumTicks = 0; // what the shim's renderer draws

    virtual UWorld *GetWorld() const override
    {
        return const_cast<UWorld *>(this);
    }
    FString GetMapName() const
    {
        return MapName;
    }
    AWorldSettings *GetWorldSettings() const
    {
        return Settings;
    }
    APlayerController *GetFirstPlayerController() const
    {
        return Player;
    }
    bool IsPaused() const
    {
        return Settings->GetPauserPlayerState() != nullptr;
    }
    template <typename T> T *GetSubsystem() const
    {
        for (UWorldSubsystem *Each : Subsystems)
            if (T *Found = dynamic_cast<T *>(Each))
                return Found;
        return nullptr;
    }
    template <typename T>
    T *SpawnActor(UClass *Class, const FTransform &Transform = FTransform(),
                  const FActorSpawnParameters &Parameters = {})
    {
        return dynamic_cast<T *>(ShimSpawn(Class, Transform, Parameters.Name));
    }
    bool LineTraceSingleByChannel(FHitResult &Hit, const FVector &Start, const FVector &End,
                                  ECollisionChannel, const FCollisionQueryParams &Params) const;
    void ShimBegin(const FString &Map, EWorldType::Type Type);
    void ShimTick(float DeltaSeconds);
    void ShimEnd();

  private:
    AActor *ShimSpawn(UClass *Class, const FTransform &Transform, const FName &Name);
    void MovePawn(APawn &Pawn, float DeltaSeconds);
    FString MapName;
    AWorldSettings *Settings = nullptr;
    APlayerController *Player = nullptr;
    bool bHasBegunPlay = false;
};

template <typename T> class TActorIterator
{
  public:
    explicit TActorIterator(const UWorld *World, UClass *Class = T::StaticClass())
    {
        for (AActor *Each : World->Actors)
            if (T *Found = dynamic_cast<T *>(Each);
                Found != nullptr && !Found->bDestroyed && Found->GetClass()->IsChildOf(Class))
                Actors.Add(Found);
    }
    explicit operator bool() const
    {
        return Index < Actors.Num();
    }
    void operator++()
    {
        Index++;
    }
    T *operator*() const
    {
        return Actors[Index];
    }
    T *operator->() const
    {
        return Actors[Index];
    }

  private:
    TArray<T *> Actors;
    int32 Index = 0;
};

struct FWorldDelegates {
    static inline TMulticastDelegate<UWorld *, ELevelTick, float> OnWorldTickStart, OnWorldTickEnd,
        OnWorldPostActorTick;
};

class UGameViewportClient
{
  public:
    bool bDisableWorldRendering = false;
};
class UEngine
{
  public:
    UGameViewportClient *GameViewport = nullptr;
    void AddOnScreenDebugMessage(uint64, float, FColor, const FString &Text)
    {
        DebugMessages.Add(Text);
    }
    TArray<FString> DebugMessages;
};
inline UEngine *GEngine = nullptr;

namespace EWindowMode
{
enum Type { Windowed };
}
struct FSystemResolution {
    static void RequestResolutionChange(int32 X, int32 Y, EWindowMode::Type)
    {
        Width = X;
        Height = Y;
    }
    static inline int32 Width = 0, Height = 0;
};
