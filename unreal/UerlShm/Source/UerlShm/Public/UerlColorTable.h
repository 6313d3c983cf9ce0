// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Engine/DataAsset.h"
#include "UerlColorTable.generated.h"

class UMaterialInterface;

/**
 * Which colour each material has for cameras that no GPU draws.
 *
 * Uerl.BakeColors makes it in the editor. Nothing refers to the asset, so its folder must be among
 * the project's additional asset directories to cook.
 */
UCLASS(BlueprintType)
class UERLSHM_API UUerlColorTable : public UDataAsset
{
	GENERATED_BODY()

public:
	/** Average colour (sRGB) by path, such as /Game/Materials/M_Wall.M_Wall. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	TMap<FString, FColor> Colors;

	/** Where Uerl.BakeColors puts the project's table: /Game/UerlShm/UerlColors.UerlColors. */
	static const TCHAR* GetProjectPath();

	/** The project's table; null: there is none. */
	static UUerlColorTable* LoadProjectTable();

	/**
	 * The colour of a material; of a dynamic instance, the colour of what it was made of.
	 *
	 * A material that the table lacks gets a colour made of its path, the same in every process
	 * and run, and the log says so once. From the game thread.
	 *
	 * @param Table  Null: every material gets a colour made of its path.
	 */
	static FColor GetColor(const UUerlColorTable* Table, const UMaterialInterface* Material);
};
