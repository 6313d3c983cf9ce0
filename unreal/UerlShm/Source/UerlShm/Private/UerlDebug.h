// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class UWorld;

/** What people see of an agent on the screen: Uerl.DebugAgent NAME. */
namespace UerlDebug
{
	/**
	 * Shows the chosen agent's sensors, actions, rewards and end; none is chosen: nothing.
	 *
	 * Pictures are not shown: `uerl-shm view` shows them.
	 */
	void Show(UWorld& World);
} // namespace UerlDebug
