// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

struct FUerlObservation;

/**
 * Makes rows of several frames, the oldest first; at an episode's start all are the first frame.
 *
 * A frame may be written later and by any thread, as a camera's of the GPU: the row is written when
 * its newest frame is there, and takes a part of the commit until then.
 */
class FUerlFrameStack
{
public:
	/**
	 * @param NumFrames  Frames of a row.
	 * @param NumItems   Items of a frame, such as pixels: the frames of one item stand together. 1:
	 *                   whole frames stand one after the other.
	 * @param ItemBytes  Bytes of an item of one frame.
	 */
	FUerlFrameStack(int32 NumFrames, int32 NumItems, int32 ItemBytes);

	/** @param BeginFrame  Writes one frame, now or later, as BeginObserve() of a sensor does. */
	void Observe(TArrayView<uint8> Row, const FUerlObservation& Observation,
		TFunctionRef<void(TArrayView<uint8>, const FUerlObservation&)> BeginFrame);

private:
	using FFrame = TSharedRef<TArray<uint8>>;

	const FFrame& Push(int64 Step, bool bFirst);

	const int32 NumFrames;
	const int32 NumItems;
	const int32 ItemBytes;

	/** The oldest first; earlier commits have been finished, so all but the newest are written. */
	TArray<FFrame> Frames;
	int64 LastStep = 0;
};
