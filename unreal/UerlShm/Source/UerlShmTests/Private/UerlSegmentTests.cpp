// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "HAL/FileManager.h"
#include "Misc/FileHelper.h"
#include "UerlSegment.h"
#include "UerlTestFlags.h"

#if WITH_DEV_AUTOMATION_TESTS

IMPLEMENT_SIMPLE_AUTOMATION_TEST(
	FUerlSegmentTest, "UerlShm.Segment.SaysWhatIsWrongAndWhatToDo", UerlTestFlags)

bool FUerlSegmentTest::RunTest(const FString& Parameters)
{
	FUerlSegment Segment;
	const FString Name = TEXT("uerl-automation-test");
	const FString Path = TEXT("/dev/shm/") + Name;
	TestTrue(TEXT("no learner yet"), Segment.Attach(Name, 0) == FUerlSegment::EAttach::Later);
	TestTrue(TEXT("remedy"), Segment.GetError().Contains(TEXT("start the learner")));
	TestTrue(TEXT("not attached"), Segment.GetSimulator() == nullptr);
	TestTrue(TEXT("bad name"), Segment.Attach(TEXT("a/b"), 0) == FUerlSegment::EAttach::Refused);
	TestTrue(TEXT("remedy"), Segment.GetError().Contains(TEXT("choose another name")));
	FString Content;
	for (int32 Index = 0; Index < 500; Index++)
	{
		Content += TEXT("no segment ");
	}
	if (TestTrue(TEXT("file"), FFileHelper::SaveStringToFile(Content, *Path,
								   FFileHelper::EEncodingOptions::ForceUTF8WithoutBOM)))
	{
		TestTrue(TEXT("refused"), Segment.Attach(Name, 0) == FUerlSegment::EAttach::Refused);
		TestTrue(TEXT("what"), Segment.GetError().Contains(TEXT("is no segment of uerl_shm")));
		IFileManager::Get().Delete(*Path);
	}
	return true;
}

#endif
