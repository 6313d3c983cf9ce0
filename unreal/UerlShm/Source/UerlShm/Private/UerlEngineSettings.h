// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class FJsonObject;
class UWorld;

/** How the engine runs while it is a simulator; all of it can be told by the learner. */
struct FUerlEngineSettings
{
	/** Steps of a second of the world: each tick advances it by 1 / FixedFps seconds. */
	double FixedFps = 30.0;

	/** Speed of the world's time within a tick. */
	double TimeScale = 1.0;

	/** Level of the scalability settings, 0 (low) to 3 (epic); -1: as it is. */
	int32 QualityLevel = -1;

	/** Width and height of the window, in pixels; empty: as it is. */
	TArray<int32> Resolution;

	/** Frames a second of wall-clock time that are not exceeded; 0: as fast as it can. */
	double TargetFps = 0.0;

	/** Whether nobody looks at the window, so that the world need not be drawn in it. */
	bool bHidesWindow = true;

	/**
	 * Reads the set for training, or the one for inference.
	 *
	 * @param Engine  The learner's "engine" object, with "training" and "inference".
	 */
	static FUerlEngineSettings Read(
		const FJsonObject& Engine, bool bInference, TArray<FString>& OutProblems);

	/** Fixes the time step, lets physics follow, and stops drawing a window that nobody sees. */
	void Apply(UWorld& World) const;
};
