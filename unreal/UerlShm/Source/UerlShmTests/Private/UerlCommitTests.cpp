// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlCommit.h"
#include "UerlTestFlags.h"

#if WITH_DEV_AUTOMATION_TESTS

IMPLEMENT_SIMPLE_AUTOMATION_TEST(
	FUerlCommitTest, "UerlShm.Commit.IsSentOnceByTheLastToFinish", UerlTestFlags)

bool FUerlCommitTest::RunTest(const FString& Parameters)
{
	int32 NumSent = 0;
	FUerlCommit Commit([&NumSent] { NumSent++; });
	Commit.Begin();
	Commit.Begin();
	Commit.Finish();
	TestTrue(TEXT("two parts are left"), NumSent == 0 && !Commit.Wait(FTimespan::Zero()));
	Commit.Finish();
	TestTrue(TEXT("one part is left"), NumSent == 0 && !Commit.Wait(FTimespan::Zero()));
	Commit.Finish();
	TestTrue(TEXT("sent once"), NumSent == 1 && Commit.Wait(FTimespan::Zero()));
	TestTrue(TEXT("and stays sent"), Commit.Wait(FTimespan::Zero()));
	return true;
}

#endif
