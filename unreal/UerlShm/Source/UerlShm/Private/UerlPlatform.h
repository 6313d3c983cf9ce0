// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

/**
 * What the engine does not offer and each system does differently.
 *
 * Linux is built and tested. Windows is not built: named memory there has other rules for names,
 * sizes and lifetime, and uerl_shm's core has no Windows code yet.
 */
namespace UerlPlatform
{
	/** GetRegionBytes: nobody has made a region of that name. */
	constexpr int64 NoRegion = -1;

	/** GetRegionBytes: there is one, and this process may not use it. */
	constexpr int64 RefusedRegion = -2;

	/**
	 * Asks for the size of a named region without mapping it.
	 *
	 * @param OutProblem  Why there is none or it will not do, with the remedy.
	 * @return Bytes, NoRegion or RefusedRegion.
	 */
	int64 GetRegionBytes(const FString& Name, FString& OutProblem);
} // namespace UerlPlatform
