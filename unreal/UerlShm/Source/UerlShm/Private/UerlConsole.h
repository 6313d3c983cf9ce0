// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

/** Console variables, each with UERL's name beside ours. */
namespace UerlConsole
{
	/** Uerl.ForceHardLockStep, ML.bForceHardLockStep: stand still also in the editor. */
	bool ForcesHardLockStep();

	/** Uerl.Human, ML.bHumanMode: a person plays; the world does not wait for a learner. */
	bool IsHuman();

	/** Sets Uerl.Human to 1. */
	void SetHuman();

	/** Uerl.DebugAgent, ML.DebugAgent: the agent whose sensors and rewards are shown; empty: none.
	 */
	FString GetDebugAgent();
} // namespace UerlConsole
