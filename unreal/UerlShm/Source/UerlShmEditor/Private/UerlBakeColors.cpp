// Copyright (c) 2026 uerl_shm authors. MIT license.

// Uerl.BakeColors: the average colour of every material of the level, for camera_cpu.

#include "AssetRegistry/AssetRegistryModule.h"
#include "Components/PrimitiveComponent.h"
#include "Engine/World.h"
#include "EngineUtils.h"
#include "GameFramework/Actor.h"
#include "HAL/IConsoleManager.h"
#include "IMaterialBakingModule.h"
#include "MaterialBakingStructures.h"
#include "Materials/MaterialInstanceDynamic.h"
#include "Materials/MaterialInterface.h"
#include "Misc/App.h"
#include "Misc/PackageName.h"
#include "Modules/ModuleManager.h"
#include "UObject/Package.h"
#include "UObject/SavePackage.h"
#include "UerlColorTable.h"

DEFINE_LOG_CATEGORY_STATIC(LogUerlShmEditor, Log, All);

/** Side of the square that a material is drawn into before its pixels are averaged. */
static constexpr int32 BakedSide = 64;

static TSet<UMaterialInterface*> FindMaterials(const UWorld& World)
{
	TSet<UMaterialInterface*> Found;
	for (TActorIterator<AActor> Actor(&World); Actor; ++Actor)
	{
		const TInlineComponentArray<UPrimitiveComponent*> Components(*Actor);
		for (const UPrimitiveComponent* const Component : Components)
		{
			TArray<UMaterialInterface*> Used;
			Component->GetUsedMaterials(Used);
			for (UMaterialInterface* Material : Used)
			{
				// As UUerlColorTable::GetColor: a dynamic instance counts as its parent.
				while (auto* const Made = Cast<UMaterialInstanceDynamic>(Material))
				{
					Material = Made->Parent;
				}
				if (Material != nullptr)
				{
					Found.Add(Material);
				}
			}
		}
	}
	return Found;
}

// What the material's base colour (of an unlit one: its light) looks like on a square.
static bool BakeColor(UMaterialInterface& Material, FColor& OutColor)
{
	const EMaterialProperty Property =
		Material.GetShadingModels().HasShadingModel(MSM_Unlit) ? MP_EmissiveColor : MP_BaseColor;
	FMaterialData MaterialData;
	MaterialData.Material = &Material;
	MaterialData.PropertySizes.Add(Property, FIntPoint(BakedSide, BakedSide));
	FMeshData Square; // without a mesh the module draws a square
	Square.TextureCoordinateBox = FBox2D(FVector2D(0.0, 0.0), FVector2D(1.0, 1.0));
	Square.TextureCoordinateIndex = 0;
	const TArray<FMaterialData*> Materials = { &MaterialData };
	const TArray<FMeshData*> Meshes = { &Square };
	TArray<FBakeOutput> Outputs;
	FModuleManager::LoadModuleChecked<IMaterialBakingModule>(TEXT("MaterialBaking"))
		.BakeMaterials(Materials, Meshes, Outputs);
	const TArray<FColor>* const Pixels =
		Outputs.Num() == 1 ? Outputs[0].PropertyData.Find(Property) : nullptr;
	if (Pixels == nullptr || Pixels->Num() == 0)
	{
		return false;
	}
	int64 Red = 0, Green = 0, Blue = 0;
	for (const FColor& Pixel : *Pixels)
	{
		Red += Pixel.R;
		Green += Pixel.G;
		Blue += Pixel.B;
	}
	const auto Average = [Pixels](int64 Sum) { return static_cast<uint8>(Sum / Pixels->Num()); };
	OutColor = FColor(Average(Red), Average(Green), Average(Blue));
	return true;
}

static UUerlColorTable& LoadOrMakeTable()
{
	UUerlColorTable* Table = UUerlColorTable::LoadProjectTable();
	if (Table == nullptr)
	{
		const FString Path = UUerlColorTable::GetProjectPath();
		UPackage* const Package = CreatePackage(*FPackageName::ObjectPathToPackageName(Path));
		Table = NewObject<UUerlColorTable>(
			Package, FName(*FPackageName::ObjectPathToObjectName(Path)), RF_Public | RF_Standalone);
		FAssetRegistryModule::AssetCreated(Table);
	}
	return *Table;
}

static bool SaveTable(UUerlColorTable& Table)
{
	UPackage* const Package = Table.GetPackage();
	const FString File = FPackageName::LongPackageNameToFilename(
		Package->GetName(), FPackageName::GetAssetPackageExtension());
	FSavePackageArgs Args;
	Args.TopLevelFlags = RF_Public | RF_Standalone;
	Package->MarkPackageDirty();
	return UPackage::SavePackage(Package, &Table, *File, Args);
}

// Colours of other levels' materials stay, so the command is given once in every level.
static void BakeColors(UWorld* World)
{
	if (!FApp::CanEverRender() || World == nullptr)
	{
		UE_LOG(LogUerlShmEditor, Error,
			TEXT("Uerl.BakeColors without a GPU or a level, expected both: materials are drawn to "
				 "see their colours; open the level in an editor without -nullrhi"));
		return;
	}
	UUerlColorTable& Table = LoadOrMakeTable();
	int32 NumBaked = 0, NumFailed = 0;
	for (UMaterialInterface* const Material : FindMaterials(*World))
	{
		FColor Color;
		if (!BakeColor(*Material, Color))
		{
			NumFailed++;
			UE_LOG(LogUerlShmEditor, Warning,
				TEXT("material %s gave no pixels, expected its base colour: give it a colour in %s "
					 "by hand"),
				*Material->GetPathName(), UUerlColorTable::GetProjectPath());
			continue;
		}
		Table.Colors.Add(Material->GetPathName(), Color);
		NumBaked++;
	}
	if (!SaveTable(Table))
	{
		UE_LOG(LogUerlShmEditor, Error,
			TEXT("%s could not be saved, expected a file that can be written: check it out or make "
				 "it writable"),
			UUerlColorTable::GetProjectPath());
		return;
	}
	UE_LOG(LogUerlShmEditor, Display,
		TEXT("%s has the colours of %d materials of this level, %d gave none; add /Game/UerlShm to "
			 "the project's additional asset directories to cook"),
		UUerlColorTable::GetProjectPath(), NumBaked, NumFailed);
}

static FAutoConsoleCommandWithWorld BakeColorsCommand(TEXT("Uerl.BakeColors"),
	TEXT("Puts the average colour of every material of this level into the table that cameras use "
		 "which need no GPU."),
	FConsoleCommandWithWorldDelegate::CreateStatic(&BakeColors));
