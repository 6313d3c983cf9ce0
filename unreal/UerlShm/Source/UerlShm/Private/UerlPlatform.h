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
	/** ReadRegion: nobody has made a region of that name. */
	constexpr int64 NoRegion = -1;

	/** ReadRegion: there is one, and this process may not use it. */
	constexpr int64 RefusedRegion = -2;

	/**
	 * Asks for the size of a named region and copies its first bytes, without mapping it: of a
	 * mapped region that somebody truncates, the first touch is a SIGBUS.
	 *
	 * @param OutFirst    As many bytes as the region has, at most FirstBytes.
	 * @param OutProblem  Why there is none or it will not do, with the remedy.
	 * @return Bytes, NoRegion or RefusedRegion.
	 */
	int64 ReadRegion(const FString& Name, void* OutFirst, int64 FirstBytes, FString& OutProblem);
} // namespace UerlPlatform
