// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlPart.h"
#include "UerlInfos.generated.h"

/** Steps of the episode and the sum of its rewards: two floats. */
UCLASS()
class UERLSHM_API UUerlEpisodeInfo : public UUerlInfo
{
	GENERATED_BODY()

public:
	virtual FName GetKind() const override
	{
		return TEXT("episode");
	}
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;
};

/** Where the agent is, in centimetres: x, y, z. */
UCLASS()
class UERLSHM_API UUerlLocationInfo : public UUerlInfo
{
	GENERATED_BODY()

public:
	virtual FName GetKind() const override
	{
		return TEXT("location");
	}
	virtual FUerlArray Describe() const override;
	virtual void Observe(TArrayView<uint8> Row) override;
};
