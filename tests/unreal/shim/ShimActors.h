// ShimActors.h: actors and components, as far as the plugin uses them. Boxes are the only shapes.
#pragma once

#include "ShimMaterials.h"
#include "ShimMath.h"
#include "ShimObject.h"
#include "ShimPlatform.h"

#include "ShimActors.generated.h"

class AActor;
class UPrimitiveComponent;
class UPhysicalMaterial;

enum ELevelTick { LEVELTICK_TimeOnly, LEVELTICK_All };
enum class ETeleportType { None, TeleportPhysics, ResetPhysics };
namespace EWorldType
{
enum Type { None, Game, Editor, PIE };
}
enum ECollisionChannel { ECC_Visibility, ECC_Camera, ECC_MAX };
enum ECollisionResponse { ECR_Ignore, ECR_Overlap, ECR_Block };
#define SCENE_QUERY_STAT(Name) 0

struct FHitResult {
    float Time = 1.0f;
    float Distance = 0.0f;
    FVector ImpactPoint, ImpactNormal;
    int32 FaceIndex = INDEX_NONE;
    AActor *Actor = nullptr;
    TWeakObjectPtr<UPrimitiveComponent> Component;
    AActor *GetActor() const
    {
        return Actor;
    }
    UPrimitiveComponent *GetComponent() const;
};
struct FCollisionQueryParams {
    FCollisionQueryParams(int, bool bTraceComplex = false, const AActor *Ignored = nullptr)
        : bTraceComplex(bTraceComplex), Ignored(Ignored)
    {
    }
    bool bTraceComplex;
    bool bReturnFaceIndex = false;
    const AActor *Ignored;
};

struct FActorComponentTickFunction {
    bool bCanEverTick = false;
};

UCLASS()
class UActorComponent : public UObject
{
    GENERATED_BODY()

  public:
    FActorComponentTickFunction PrimaryComponentTick;
    virtual void TickComponent(float, ELevelTick, FActorComponentTickFunction *)
    {
    }
    virtual UWorld *GetWorld() const override;
    AActor *GetOwner() const;
    virtual void BeginPlay()
    {
    }
    virtual void EndPlay(int)
    {
    }
    void RegisterComponent();
    void DestroyComponent();
    bool bHasBegunPlay = false;
};

UCLASS()
class USceneComponent : public UActorComponent
{
    GENERATED_BODY()

  public:
    const FTransform &GetComponentTransform() const;
    FVector GetComponentLocation() const
    {
        return GetComponentTransform().GetLocation();
    }
    FRotator GetComponentRotation() const
    {
        return GetComponentTransform().Rotator();
    }
    FVector GetComponentVelocity() const
    {
        return ComponentVelocity;
    }
    FVector GetForwardVector() const
    {
        return GetComponentTransform().TransformVectorNoScale({1.0, 0.0, 0.0});
    }
    void SetRelativeLocation(const FVector &Location)
    {
        RelativeLocation = Location;
    }
    void SetupAttachment(USceneComponent *InParent)
    {
        Parent = InParent;
    }
    void SetWorldTransform(const FTransform &Value)
    {
        World = Value;
    }

    FVector ComponentVelocity;
    FVector RelativeLocation;
    USceneComponent *Parent = nullptr;

  private:
    mutable FTransform World;
};

UCLASS()
class UPrimitiveComponent : public USceneComponent
{
    GENERATED_BODY()

  public:
    bool IsSimulatingPhysics() const
    {
        return false;
    }
    void SetPhysicsLinearVelocity(const FVector &Value)
    {
        ComponentVelocity = Value;
    }
    void SetPhysicsAngularVelocityInDegrees(const FVector &)
    {
    }
    FVector BoxExtent = FVector(0.0); // half the edges; 0: no body
    bool bBlocks = true;              // else it overlaps
    int32 CustomDepthStencilValue = 0;
    TArray<UMaterialInterface *> ShimMaterials; // six: one for each face, as of a mesh's triangles
    FBox GetBox() const;
    UMaterialInterface *GetMaterial(int32 ElementIndex) const
    {
        return ShimMaterials.IsValidIndex(ElementIndex) ? ShimMaterials[ElementIndex] : nullptr;
    }
    // Null where faces are not known, as of the engine's boxes and capsules.
    UMaterialInterface *GetMaterialFromCollisionFaceIndex(int32 FaceIndex, int32 &Section) const
    {
        Section = ShimMaterials.Num() == 6 ? FaceIndex : 0;
        return ShimMaterials.Num() == 6 ? GetMaterial(FaceIndex) : nullptr;
    }
    void SetCollisionResponseToChannel(ECollisionChannel Channel, ECollisionResponse Response)
    {
        Ignored[Channel] = Response == ECR_Ignore;
    }
    bool ShimIgnores(ECollisionChannel Channel) const
    {
        return Ignored[Channel];
    }

  private:
    bool Ignored[2] = {};
};

inline UPrimitiveComponent *FHitResult::GetComponent() const
{
    return Component.Get();
}

UCLASS()
class AActor : public UObject
{
    GENERATED_BODY()

  public:
    AActor();
    UWorld *World = nullptr;
    TArray<FName> Tags;
    TMulticastDelegate<AActor *, AActor *> OnActorBeginOverlap;
    TMulticastDelegate<AActor *, AActor *, FVector, const FHitResult &> OnActorHit;

    virtual UWorld *GetWorld() const override
    {
        return World;
    }
    virtual void BeginPlay();
    virtual void Tick(float DeltaSeconds)
    {
    }
    bool ActorHasTag(const FName &Tag) const
    {
        return Tags.Contains(Tag);
    }
    USceneComponent *GetRootComponent() const
    {
        return Root;
    }
    void SetRootComponent(USceneComponent *Component)
    {
        Root = Component;
    }
    const FTransform &GetActorTransform() const
    {
        return Root->GetComponentTransform();
    }
    FVector GetActorLocation() const
    {
        return GetActorTransform().GetLocation();
    }
    FRotator GetActorRotation() const
    {
        return GetActorTransform().Rotator();
    }
    FVector GetActorForwardVector() const
    {
        return GetActorTransform().TransformVectorNoScale({1.0, 0.0, 0.0});
    }
    FVector GetActorRightVector() const
    {
        return GetActorTransform().TransformVectorNoScale({0.0, 1.0, 0.0});
    }
    bool SetActorTransform(const FTransform &Value, bool bSweep = false, FHitResult * = nullptr,
                           ETeleportType = ETeleportType::None);
    bool SetActorLocation(const FVector &Value);
    void AddActorWorldRotation(FRotator Delta);
    bool IsHidden() const
    {
        return bIsHidden;
    }
    void DisableInput(class APlayerController *)
    {
    }
    void SetActorHiddenInGame(bool bHidden)
    {
        bIsHidden = bHidden;
    }
    void SetActorEnableCollision(bool bEnable)
    {
        bCollides = bEnable;
    }
    FBox GetComponentsBoundingBox(bool bNonColliding = false) const;
    bool Destroy();
    template <typename T> T *FindComponentByClass() const
    {
        for (UActorComponent *Each : Components)
            if (T *Found = dynamic_cast<T *>(Each))
                return Found;
        return nullptr;
    }
    template <typename T> T *CreateDefaultSubobject(const TCHAR *Name)
    {
        T *Component = new T;
        Component->Name = FString(Name);
        Component->Outer = this;
        Components.Add(Component);
        return Component;
    }
    UPrimitiveComponent *GetBody() const
    {
        return dynamic_cast<UPrimitiveComponent *>(Root);
    }

    TArray<UActorComponent *> Components;
    bool bIsHidden = false;
    bool bCollides = true;
    bool bHasBegunPlay = false;

  private:
    USceneComponent *Root = nullptr;
};

template <typename T> class TInlineComponentArray : public TArray<T>
{
  public:
    explicit TInlineComponentArray(const AActor *Actor)
    {
        for (UActorComponent *Each : Actor->Components)
            if (T Found = dynamic_cast<T>(Each))
                this->Add(Found);
    }
};

UCLASS()
class APlayerState : public AActor
{
    GENERATED_BODY()
};

UCLASS()
class AWorldSettings : public AActor
{
    GENERATED_BODY()

  public:
    float GetEffectiveTimeDilation() const
    {
        return TimeDilation;
    }
    float SetTimeDilation(float Value)
    {
        return TimeDilation = Value;
    }
    APlayerState *GetPauserPlayerState() const
    {
        return Pauser;
    }
    void SetPauserPlayerState(APlayerState *State)
    {
        Pauser = State;
    }
    float TimeDilation = 1.0f;

  private:
    APlayerState *Pauser = nullptr;
};

UCLASS()
class UPhysicsSettings : public UObject
{
    GENERATED_BODY()

  public:
    float MaxPhysicsDeltaTime = 1.0f / 30.0f;
};
