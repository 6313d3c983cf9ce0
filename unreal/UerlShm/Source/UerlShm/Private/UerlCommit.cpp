// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlCommit.h"

FUerlCommit::FUerlCommit(TFunction<void()> InSend)
	: Send(MoveTemp(InSend))
{
}

FUerlCommit::~FUerlCommit()
{
	check(NumParts.load() == 0); // a result that nobody sent would leave the learner waiting
}

void FUerlCommit::Begin()
{
	NumParts.fetch_add(1, std::memory_order_relaxed); // from the game thread, which still holds one
}

void FUerlCommit::Finish()
{
	// acq_rel: the last one's send() comes after every other one's rows.
	if (NumParts.fetch_sub(1, std::memory_order_acq_rel) == 1)
	{
		Send();
		Sent->Trigger();
	}
}

bool FUerlCommit::Wait(FTimespan Time)
{
	return Sent->Wait(Time);
}
