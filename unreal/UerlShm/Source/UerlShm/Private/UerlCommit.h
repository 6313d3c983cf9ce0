// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "HAL/Event.h"

#include <atomic>

/**
 * One command's result: committed once, by whoever finishes last.
 *
 * The game thread begins it, each picture that is still on the GPU takes a part of it, and the last
 * to finish sends. Until then the game thread keeps its hands off the handle.
 */
class UERLSHM_API FUerlCommit
{
public:
	/** @param Send  Called once, by the thread that finishes last. */
	explicit FUerlCommit(TFunction<void()> Send);
	~FUerlCommit();

	/** Takes a part; before the game thread has finished its own. */
	void Begin();

	/** Gives a part back; everything that its row needs has been written. */
	void Finish();

	/** Whether the result was sent within this time. */
	bool Wait(FTimespan Time);

private:
	TFunction<void()> Send;
	std::atomic<int32> NumParts{ 1 };
	FEventRef Sent{ EEventMode::ManualReset };
};
