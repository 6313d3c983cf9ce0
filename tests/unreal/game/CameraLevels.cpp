// CameraLevels.cpp: boxes, colours and cameras from a file.
#include "CameraLevels.h"

#include "Components/PrimitiveComponent.h"
#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "Engine/World.h"
#include "Game.h"
#include "Materials/MaterialInstanceDynamic.h"
#include "Misc/CommandLine.h"
#include "Misc/FileHelper.h"
#include "Misc/Parse.h"
#include "Serialization/JsonReader.h"
#include "Serialization/JsonSerializer.h"
#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlCameraCpu.h"
#include "UerlClasses.h"
#include "UerlColorTable.h"
#include "UerlSensors.h"
#include "UerlSettings.h"

using FJsonList = TArray<TSharedPtr<FJsonValue>>;

static void Require(bool bGood, const FString& What)
{
	if (!bGood)
	{
		std::fprintf(stderr, "scene: %s\n", TCHAR_TO_UTF8(*What));
		std::exit(2);
	}
}

static const TSharedPtr<FJsonObject>& GetObject(const TSharedPtr<FJsonValue>& Value)
{
	const TSharedPtr<FJsonObject>* Json = nullptr;
	Require(Value->TryGetObject(Json), TEXT("an object"));
	return *Json;
}

static TArray<double> ReadNumbers(const FJsonObject& Json, const TCHAR* Key, int32 Count)
{
	const FJsonList* List = nullptr;
	Require(Json.TryGetArrayField(Key, List) && List->Num() == Count, Key);
	TArray<double> Numbers;
	for (const TSharedPtr<FJsonValue>& Each : *List)
	{
		Numbers.Add(Each->AsNumber());
	}
	return Numbers;
}

static FVector ReadVector(const FJsonObject& Json, const TCHAR* Key)
{
	const TArray<double> Numbers = ReadNumbers(Json, Key, 3);
	return FVector(Numbers[0], Numbers[1], Numbers[2]);
}

// The material of a path such as /Game/Red.Red: made once, in a package of that name.
static UMaterialInterface* FindMaterial(const FString& Path)
{
	UMaterialInterface* const Known = LoadObject<UMaterialInterface>(nullptr, *Path);
	FString Package, Name;
	if (Known != nullptr)
	{
		return Known;
	}
	Require(Path.Split(TEXT("."), &Package, &Name), Path);
	UObject* const Outer = NewObject<UDataAsset>(nullptr, UDataAsset::StaticClass(), *Package);
	UMaterialInterface* const Made =
		NewObject<UMaterial>(Outer, UMaterial::StaticClass(), FName(*Name));
	ShimAddAsset(*Path, Made);
	return Made;
}

static void FillBody(const FJsonObject& Json, AActor& Actor)
{
	UPrimitiveComponent& Body = *Actor.GetBody();
	const FJsonList* Materials = nullptr;
	double Stencil = 0.0;
	bool bDynamic = false, bInvisible = false;
	Json.TryGetArrayField(TEXT("materials"), Materials);
	Json.TryGetNumberField(TEXT("stencil"), Stencil);
	Json.TryGetBoolField(TEXT("dynamic"), bDynamic);
	Json.TryGetBoolField(TEXT("ignores_visibility"), bInvisible);
	Body.BoxExtent = ReadVector(Json, TEXT("extent"));
	Body.CustomDepthStencilValue = static_cast<int32>(Stencil);
	Body.SetCollisionResponseToChannel(ECC_Visibility, bInvisible ? ECR_Ignore : ECR_Block);
	for (const TSharedPtr<FJsonValue>& Each : Materials != nullptr ? *Materials : FJsonList())
	{
		FString Path;
		Require(Each->TryGetString(Path), TEXT("material"));
		UMaterialInterface* const Material = FindMaterial(Path);
		Body.ShimMaterials.Add(
			bDynamic ? UMaterialInstanceDynamic::Create(Material, &Body) : Material);
	}
}

static AActor& AddActor(UWorld& World, UClass* Class, const FJsonObject& Json)
{
	FActorSpawnParameters Parameters;
	FString Name;
	Require(Json.TryGetStringField(TEXT("name"), Name), TEXT("name"));
	Parameters.Name = FName(*Name);
	const FVector Turn = ReadVector(Json, TEXT("rotation")); // pitch, yaw, roll
	AActor* const Actor = World.SpawnActor<AActor>(Class,
		FTransform(FRotator(Turn.X, Turn.Y, Turn.Z), ReadVector(Json, TEXT("location"))),
		Parameters);
	FillBody(Json, *Actor);
	return *Actor;
}

static void AddTable(const FJsonObject& Scene)
{
	const TSharedPtr<FJsonObject>* Colors = nullptr;
	if (!Scene.TryGetObjectField(TEXT("colors"), Colors))
	{
		return;
	}
	UUerlColorTable* const Table = NewObject<UUerlColorTable>(nullptr);
	for (const auto& [Path, Value] : (*Colors)->Values)
	{
		const TArray<double> Color = ReadNumbers(**Colors, *Path, 3);
		Table->Colors.Add(Path, FColor(static_cast<uint8>(Color[0]), static_cast<uint8>(Color[1]),
									static_cast<uint8>(Color[2])));
	}
	ShimAddAsset(UUerlColorTable::GetProjectPath(), Table);
}

static void AddCamera(UUerlAgentComponent& Agent, const TSharedRef<FJsonObject>& Json)
{
	FString Kind, Problem;
	bool bUsesCameraChannel = false;
	Json->TryGetStringField(TEXT("ue_class_name"), Kind);
	Json->TryGetBoolField(TEXT("uses_camera_channel"), bUsesCameraChannel);
	UClass* const Class = UerlClasses::FindPart(UUerlSensor::StaticClass(), Kind, *Json, Problem);
	Require(Class != nullptr, Problem);
	UUerlSensor* const Sensor = NewObject<UUerlSensor>(&Agent, Class);
	TArray<FString> Problems;
	{
		FUerlSettings Settings(Json, TEXT("camera"), Problems);
		Settings.Ignore(TEXT("uses_camera_channel")); // a property only of the editor
		Sensor->Configure(Settings);
	}
	Require(Problems.Num() == 0, FString::Join(Problems, TEXT("; ")));
	if (bUsesCameraChannel)
	{
		Cast<UUerlCameraCpuSensor>(Sensor)->Channel = ECC_Camera;
	}
	Agent.Sensors.Add(Sensor);
}

void OpenScene(UWorld& World)
{
	FString File, Text;
	TSharedPtr<FJsonObject> Scene;
	const FJsonList *Boxes = nullptr, *Cameras = nullptr;
	const TSharedPtr<FJsonObject>* Watcher = nullptr;
	Require(FParse::Value(FCommandLine::Get(), TEXT("ShimScene="), File) &&
				FFileHelper::LoadFileToString(Text, *File) &&
				FJsonSerializer::Deserialize(TJsonReaderFactory<>::Create(Text), Scene) &&
				Scene->TryGetArrayField(TEXT("boxes"), Boxes) &&
				Scene->TryGetArrayField(TEXT("cameras"), Cameras) &&
				Scene->TryGetObjectField(TEXT("agent"), Watcher),
		TEXT("-ShimScene= names no scene"));
	AddTable(*Scene);
	for (const TSharedPtr<FJsonValue>& Each : *Boxes)
	{
		AddActor(World, AGameBox::StaticClass(), *GetObject(Each));
	}
	AActor& Pawn = AddActor(World, AGameAgent::StaticClass(), **Watcher);
	UUerlAgentComponent* const Agent = NewObject<UUerlAgentComponent>(&Pawn);
	Agent->RegisterComponent();
	Agent->Sensors.Add(NewObject<UUerlLocationSensor>(Agent));
	Agent->Actuators.Add(NewObject<UUerlMovementActuator>(Agent));
	for (const TSharedPtr<FJsonValue>& Each : *Cameras)
	{
		AddCamera(*Agent, GetObject(Each).ToSharedRef());
	}
}
