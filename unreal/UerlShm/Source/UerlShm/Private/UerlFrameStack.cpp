// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlFrameStack.h"

#include "UerlCommit.h"
#include "UerlPart.h"

FUerlFrameStack::FUerlFrameStack(int32 InNumFrames, int32 InNumItems, int32 InItemBytes)
	: NumFrames(InNumFrames)
	, NumItems(InNumItems)
	, ItemBytes(InItemBytes)
{
}

// An episode's last observation may be followed by another one of the same step, of a world whose
// other agents go on: it takes the place of the newest frame.
const FUerlFrameStack::FFrame& FUerlFrameStack::Push(int64 Step, bool bFirst)
{
	const FFrame Frame = MakeShared<TArray<uint8>>();
	Frame->SetNumUninitialized(NumItems * ItemBytes);
	if (bFirst || Frames.Num() == 0)
	{
		Frames.Reset();
		for (int32 Index = 0; Index < NumFrames; Index++)
		{
			Frames.Add(Frame);
		}
	}
	else
	{
		Frames.RemoveAt(Step == LastStep ? NumFrames - 1 : 0);
		Frames.Add(Frame);
	}
	LastStep = Step;
	return Frames.Last();
}

void FUerlFrameStack::Observe(TArrayView<uint8> Row, const FUerlObservation& Observation,
	TFunctionRef<void(TArrayView<uint8>, const FUerlObservation&)> BeginFrame)
{
	const FFrame Newest = Push(Observation.Step, Observation.bFirst);
	Observation.Commit->Begin();
	FUerlObservation OfFrame = Observation;
	OfFrame.Commit = MakeShared<FUerlCommit>(
		[Stacked = Frames, Row, Outer = Observation.Commit, Items = NumItems, Bytes = ItemBytes]
		{
			uint8* Target = Row.GetData();
			for (int32 Item = 0; Item < Items; Item++)
			{
				for (const FFrame& Frame : Stacked)
				{
					FMemory::Memcpy(Target, Frame->GetData() + Item * Bytes, Bytes);
					Target += Bytes;
				}
			}
			Outer->Finish();
		});
	BeginFrame(*Newest, OfFrame);
	OfFrame.Commit->Finish();
}
