// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlColorTable.h"

#include "Materials/MaterialInstanceDynamic.h"
#include "Materials/MaterialInterface.h"
#include "Misc/Crc.h"
#include "UerlShmModule.h"

static const FColor ColorWithoutMaterial(128, 128, 128);

const TCHAR* UUerlColorTable::GetProjectPath()
{
	return TEXT("/Game/UerlShm/UerlColors.UerlColors");
}

UUerlColorTable* UUerlColorTable::LoadProjectTable()
{
	return LoadObject<UUerlColorTable>(
		nullptr, GetProjectPath(), nullptr, LOAD_NoWarn | LOAD_Quiet);
}

static void WarnOnceOfColor(const FString& Path)
{
	static TSet<FString> Warned;
	bool bWarned = false;
	Warned.Add(Path, &bWarned);
	if (!bWarned)
	{
		UE_LOG(LogUerlShm, Warning,
			TEXT("material %s not found in the colour table, expected its colour there: run "
				 "Uerl.BakeColors in the editor and cook %s; it gets a colour made of its path"),
			*Path, UUerlColorTable::GetProjectPath());
	}
}

// Three bytes of the CRC, moved towards the middle: neither black nor white.
static FColor MakeColorOfPath(const FString& Path)
{
	const uint32 Crc = FCrc::StrCrc32(*Path);
	const auto Channel = [Crc](int32 Shift)
	{ return static_cast<uint8>(64 + (Crc >> Shift & 127)); };
	return FColor(Channel(16), Channel(8), Channel(0));
}

FColor UUerlColorTable::GetColor(const UUerlColorTable* Table, const UMaterialInterface* Material)
{
	// Dynamic instances are made while the game runs: their paths mean nothing.
	while (const UMaterialInstanceDynamic* const Made = Cast<UMaterialInstanceDynamic>(Material))
	{
		Material = Made->Parent;
	}
	if (Material == nullptr)
	{
		return ColorWithoutMaterial;
	}
	const FString Path = Material->GetPathName();
	const FColor* const Found = Table != nullptr ? Table->Colors.Find(Path) : nullptr;
	if (Found != nullptr)
	{
		return *Found;
	}
	WarnOnceOfColor(Path);
	return MakeColorOfPath(Path);
}
