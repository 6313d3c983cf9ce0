// ShimMaterials.h: materials and data assets, as far as the plugin uses them: names without pixels.
#pragma once

#include "ShimMaterials.generated.h"
#include "ShimObject.h"

UCLASS()
class UDataAsset : public UObject
{
    GENERATED_BODY()
};

UCLASS(Abstract)
class UMaterialInterface : public UObject
{
    GENERATED_BODY()
};

UCLASS()
class UMaterial : public UMaterialInterface
{
    GENERATED_BODY()
};

UCLASS()
class UMaterialInstanceDynamic : public UMaterialInterface
{
    GENERATED_BODY()

  public:
    static UMaterialInstanceDynamic *Create(UMaterialInterface *From, UObject *InOuter)
    {
        auto *Made = NewObject<UMaterialInstanceDynamic>(InOuter);
        Made->Parent = From;
        return Made;
    }
    TObjectPtr<UMaterialInterface> Parent;
};

struct FCrc {
    // The CRC-32 of zlib over characters of four bytes, whatever size TCHAR has.
    static uint32 StrCrc32(const TCHAR *Text, uint32 Crc = 0)
    {
        Crc = ~Crc;
        for (; *Text != 0; Text++)
            for (int32 Shift = 0; Shift < 32; Shift += 8) {
                Crc ^= static_cast<uint32>(*Text) >> Shift & 255;
                for (int32 Bit = 0; Bit < 8; Bit++)
                    Crc = Crc >> 1 ^ (0xEDB88320u & (0u - (Crc & 1)));
            }
        return ~Crc;
    }
};
