// ShimEngine.cpp: classes, worlds, ticks, traces.
#include "ShimEngine.h"

#include "ShimHost.h"

ShimHost &ShimHost::Get()
{
    static ShimHost Host;
    return Host;
}

static std::vector<UClass *(*)()> &Registered()
{
    static std::vector<UClass *(*)()> Classes;
    return Classes;
}
const std::vector<UClass *(*)()> &ShimAllClasses()
{
    return Registered();
}
ShimRegistrar::ShimRegistrar(UClass *(*StaticClass)())
{
    Registered().push_back(StaticClass);
}
UClass *ShimMakeClass(const TCHAR *Name, UClass *Parent, uint32 Flags, UObject *(*Make)())
{
    auto *Class = new UClass;
    Class->Name = FString(Name);
    Class->Parent = Parent;
    Class->Flags = Flags;
    Class->Make = Make;
    return Class;
}
UClass *UObject::StaticClass()
{
    static UClass *Class =
        ShimMakeClass(u"Object", nullptr, CLASS_Abstract, [] { return new UObject; });
    return Class;
}
bool UClass::IsChildOf(const UClass *Other) const
{
    for (const UClass *Each = this; Each != nullptr; Each = Each->Parent)
        if (Each == Other)
            return true;
    return false;
}
UObject *UClass::GetDefaultObject()
{
    if (Default == nullptr) {
        Default = Make();
        Default->Name = FString(u"Default__") + Name;
        Default->bIsTemplate = true;
    }
    return Default;
}
UObject *ShimNewObject(UObject *Outer, UClass *Class, const FString &Name)
{
    static int Count = 0;
    UObject *Object = Class->Make();
    Object->Outer = Outer;
    Object->Name = Name.IsEmpty() || Name == FString(u"None")
                       ? Class->Name + FString::Printf(u"_%d", Count++)
                       : Name;
    return Object;
}
void GetDerivedClasses(const UClass *Base, TArray<UClass *> &Out, bool)
{
    for (const auto StaticClass : Registered())
        if (StaticClass() != Base && StaticClass()->IsChildOf(Base))
            Out.Add(StaticClass());
}
UClass *StaticLoadClass(UClass *Base, UObject *, const TCHAR *Path)
{
    const std::string Text = ShimToUtf8(Path); // the shim has no packages: by the class's own name
    const FString Name(Text.substr(Text.rfind('.') + 1));
    for (const auto Each : Registered())
        if (Each()->Name == Name && Each()->IsChildOf(Base))
            return Each();
    return nullptr;
}

AActor *UActorComponent::GetOwner() const
{
    return dynamic_cast<AActor *>(Outer);
}
void UActorComponent::RegisterComponent()
{
    AActor *Owner = GetOwner();
    if (!Owner->Components.Contains(this))
        Owner->Components.Add(this);
    if (Owner->bHasBegunPlay && !bHasBegunPlay) {
        bHasBegunPlay = true;
        BeginPlay();
    }
}
void UActorComponent::DestroyComponent()
{
    GetOwner()->Components.Remove(this);
    bDestroyed = true;
}
const FTransform &USceneComponent::GetComponentTransform() const
{
    if (Parent != nullptr) {
        const FTransform &Base = Parent->GetComponentTransform();
        World = FTransform(Base.Rotator(),
                           Base.GetLocation() + Base.TransformVectorNoScale(RelativeLocation));
    }
    return World;
}
FBox UPrimitiveComponent::GetBox() const
{
    return {GetComponentLocation() - BoxExtent, GetComponentLocation() + BoxExtent};
}

AActor::AActor()
{
    Root = CreateDefaultSubobject<UPrimitiveComponent>(u"Root");
}
void AActor::BeginPlay()
{
    bHasBegunPlay = true;
    for (UActorComponent *Each : TArray<UActorComponent *>(Components))
        if (!Each->bHasBegunPlay) {
            Each->bHasBegunPlay = true;
            Each->BeginPlay();
        }
}
bool AActor::SetActorTransform(const FTransform &Value, bool, FHitResult *, ETeleportType)
{
    Root->SetWorldTransform(Value);
    Root->ComponentVelocity = FVector::ZeroVector;
    return true;
}
UWorld *UActorComponent::GetWorld() const
{
    return GetOwner() == nullptr ? nullptr : GetOwner()->GetWorld();
}
void AActor::AddActorWorldRotation(FRotator Delta)
{
    FTransform Transform = GetActorTransform(); // around the world's up: other turns are not needed
    const FRotator Turned = Transform.Rotator();
    Transform.SetRotation({Turned.Pitch, Turned.Yaw + Delta.Yaw, Turned.Roll});
    Root->SetWorldTransform(Transform);
}
void AController::Possess(APawn *Pawn)
{
    Pawn->Controller = this;
}
void APawn::SpawnDefaultController()
{
    if (Controller == nullptr)
        World->SpawnActor<AController>(AController::StaticClass())->Possess(this);
}
bool APlayerController::IsInputKeyDown(FKey Key) const
{
    FString Held;
    FParse::Value(FCommandLine::Get(), u"ShimKeys=", Held);
    return ShimToUtf8(*Held).find(Key.Letter) != std::string::npos;
}
bool AActor::SetActorLocation(const FVector &Value)
{
    FTransform Transform = GetActorTransform();
    Transform.SetLocation(Value);
    Root->SetWorldTransform(Transform);
    return true;
}
FBox AActor::GetComponentsBoundingBox(bool) const
{
    return GetBody()->GetBox();
}
bool AActor::Destroy()
{
    bDestroyed = true;
    World->Actors.Remove(this);
    return true;
}
UWorld *UWorldSubsystem::GetWorld() const
{
    return dynamic_cast<UWorld *>(Outer);
}

AActor *UWorld::ShimSpawn(UClass *Class, const FTransform &Transform, const FName &Name)
{
    AActor *Actor = dynamic_cast<AActor *>(ShimNewObject(this, Class, Name.ToString()));
    if (Actor == nullptr)
        return nullptr;
    Actor->World = this;
    Actor->SetActorTransform(Transform);
    Actors.Add(Actor);
    if (bHasBegunPlay)
        Actor->BeginPlay();
    return Actor;
}

void UWorld::ShimBegin(const FString &Map, EWorldType::Type Type)
{
    MapName = Map;
    WorldType = Type;
    Settings = SpawnActor<AWorldSettings>(AWorldSettings::StaticClass());
    Player = SpawnActor<APlayerController>(APlayerController::StaticClass());
    Player->PlayerState = SpawnActor<APlayerState>(APlayerState::StaticClass());
    TArray<UClass *> Classes;
    GetDerivedClasses(UWorldSubsystem::StaticClass(), Classes, true);
    FSubsystemCollectionBase Collection;
    for (UClass *Class : Classes) {
        const auto *Default = static_cast<const UWorldSubsystem *>(Class->GetDefaultObject());
        if (!Default->ShimSupports(Type))
            continue;
        auto *Subsystem = NewObject<UWorldSubsystem>(this, Class);
        Subsystems.Add(Subsystem);
        Subsystem->Initialize(Collection);
    }
    bHasBegunPlay = true;
    for (AActor *Actor : TArray<AActor *>(Actors))
        Actor->BeginPlay();
    for (UWorldSubsystem *Subsystem : Subsystems)
        Subsystem->OnWorldBeginPlay(*this);
}

// In the engine's order: the delegate first, then the look at the pause.
void UWorld::ShimTick(float DeltaSeconds)
{
    FWorldDelegates::OnWorldTickStart.Broadcast(this, LEVELTICK_All, DeltaSeconds);
    if (!IsPaused() && !IsEngineExitRequested()) {
        NumTicks++;
        const float Scaled = DeltaSeconds * Settings->TimeDilation;
        for (AActor *Actor : TArray<AActor *>(Actors)) {
            if (Actor->bDestroyed)
                continue;
            Actor->Tick(Scaled);
            for (UActorComponent *Each : TArray<UActorComponent *>(Actor->Components))
                if (Each->PrimaryComponentTick.bCanEverTick)
                    Each->TickComponent(Scaled, LEVELTICK_All, &Each->PrimaryComponentTick);
            if (auto *Pawn = dynamic_cast<APawn *>(Actor))
                MovePawn(*Pawn, Scaled);
        }
        FWorldDelegates::OnWorldPostActorTick.Broadcast(this, LEVELTICK_All, Scaled);
    }
    FWorldDelegates::OnWorldTickEnd.Broadcast(this, LEVELTICK_All, DeltaSeconds);
}

void UWorld::ShimEnd()
{
    for (UWorldSubsystem *Subsystem : Subsystems)
        Subsystem->Deinitialize();
}

static bool Meets(const FBox &One, const FBox &Other)
{
    return One.Min.X < Other.Max.X && Other.Min.X < One.Max.X && One.Min.Y < Other.Max.Y &&
           Other.Min.Y < One.Max.Y && One.Min.Z < Other.Max.Z && Other.Min.Z < One.Max.Z;
}

void UWorld::MovePawn(APawn &Pawn, float DeltaSeconds)
{
    constexpr double Speed = 600.0;
    const FVector Before = Pawn.GetActorLocation();
    FVector Velocity = Pawn.Input * Speed;
    Pawn.Input = FVector::ZeroVector;
    if (const auto *Character = dynamic_cast<ACharacter *>(&Pawn)) {
        if (Character->Controller == nullptr)
            return;
        Velocity.Z = Character->bPressedJump ? ACharacter::RiseSpeed : 0.0;
        Character->GetMovementComponent()->Velocity = Velocity;
    }
    Pawn.SetActorLocation(Before + Velocity * DeltaSeconds);
    Pawn.GetRootComponent()->ComponentVelocity = Velocity;
    for (AActor *Other : TArray<AActor *>(Actors)) {
        if (Other == &Pawn || Other->bDestroyed || !Other->bCollides ||
            Other->GetBody() == nullptr || Other->GetBody()->BoxExtent == FVector::ZeroVector ||
            !Meets(Pawn.GetBody()->GetBox(), Other->GetBody()->GetBox()))
            continue;
        if (!Other->GetBody()->bBlocks) {
            Pawn.OnActorBeginOverlap.Broadcast(&Pawn, Other);
            continue;
        }
        Pawn.SetActorLocation(Before);
        Pawn.GetRootComponent()->ComponentVelocity = FVector::ZeroVector;
        Pawn.OnActorHit.Broadcast(&Pawn, Other, FVector::ZeroVector, FHitResult());
    }
}

// Where a ray enters a box, as a share of its length; more than 1: it does not. Faces: -X +X -Y +Y
// -Z +Z.
static double Enter(const FBox &Box, const FVector &Start, const FVector &Along, FVector &Normal,
                    int &Face)
{
    const double From[] = {Start.X, Start.Y, Start.Z}, By[] = {Along.X, Along.Y, Along.Z};
    const double Low[] = {Box.Min.X, Box.Min.Y, Box.Min.Z};
    const double High[] = {Box.Max.X, Box.Max.Y, Box.Max.Z};
    double First = -1.0, Last = 2.0;
    int Axis = 0;
    for (int Each = 0; Each < 3; Each++) {
        if (By[Each] == 0.0) {
            if (From[Each] < Low[Each] || From[Each] > High[Each])
                return 2.0;
            continue;
        }
        double In = (Low[Each] - From[Each]) / By[Each], Out = (High[Each] - From[Each]) / By[Each];
        if (In > Out)
            std::swap(In, Out);
        if (In > First) {
            First = In;
            Axis = Each;
        }
        Last = std::min(Last, Out);
    }
    if (First > Last || First < 0.0 || First > 1.0)
        return 2.0;
    double Facing[] = {0.0, 0.0, 0.0};
    Facing[Axis] = By[Axis] > 0.0 ? -1.0 : 1.0;
    Normal = FVector(Facing[0], Facing[1], Facing[2]);
    Face = 2 * Axis + (By[Axis] > 0.0 ? 0 : 1);
    return First;
}

bool UWorld::LineTraceSingleByChannel(FHitResult &Hit, const FVector &Start, const FVector &End,
                                      ECollisionChannel Channel,
                                      const FCollisionQueryParams &Params) const
{
    double Nearest = 2.0;
    for (AActor *Actor : Actors) {
        UPrimitiveComponent *Body = Actor->GetBody();
        if (Actor == Params.Ignored || !Actor->bCollides || Body == nullptr || !Body->bBlocks ||
            Body->BoxExtent == FVector::ZeroVector || Body->ShimIgnores(Channel))
            continue;
        FVector Normal;
        int Face = 0;
        const double At = Enter(Body->GetBox(), Start, End - Start, Normal, Face);
        if (At >= Nearest || At > 1.0)
            continue;
        Nearest = At;
        Hit.Time = static_cast<float>(At);
        Hit.Distance = static_cast<float>((End - Start).Size() * At);
        Hit.ImpactPoint = Start + (End - Start) * At;
        Hit.ImpactNormal = Normal;
        Hit.Actor = Actor;
        Hit.Component = Body;
        // Only triangles have numbers.
        Hit.FaceIndex = Params.bReturnFaceIndex && Params.bTraceComplex ? Face : INDEX_NONE;
    }
    return Nearest <= 1.0;
}

// Objects with paths of their own, which stand for a project's assets.
static std::map<std::string, UObject *> &Assets()
{
    static std::map<std::string, UObject *> Objects;
    return Objects;
}
UObject *ShimLoadObject(const TCHAR *Path)
{
    const auto Found = Assets().find(ShimToUtf8(Path));
    return Found == Assets().end() ? nullptr : Found->second;
}
void ShimAddAsset(const TCHAR *Path, UObject *Object)
{
    Assets()[ShimToUtf8(Path)] = Object;
}
