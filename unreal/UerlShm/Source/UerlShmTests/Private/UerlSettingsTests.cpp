// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "Dom/JsonObject.h"
#include "UerlSettings.h"
#include "UerlTestFlags.h"

#if WITH_DEV_AUTOMATION_TESTS

IMPLEMENT_SIMPLE_AUTOMATION_TEST(
	FUerlSettingsTest, "UerlShm.Settings.EveryProblemIsTold", UerlTestFlags)

bool FUerlSettingsTest::RunTest(const FString& Parameters)
{
	const TSharedRef<FJsonObject> Json = MakeShared<FJsonObject>();
	Json->SetNumberField(TEXT("width"), 84.0);
	Json->SetNumberField(TEXT("height"), -1.0);
	Json->SetStringField(TEXT("angle"), TEXT("wide"));
	Json->SetNumberField(TEXT("widht"), 1.0);
	TArray<FString> Problems;
	int32 Width = 1, Height = 2;
	float Angle = 90.0f, Missing = 7.0f;
	{
		FUerlSettings Settings(Json, TEXT("sensor camera"), Problems);
		Settings.Read(TEXT("width"), Width, 1, 4096);
		Settings.Read(TEXT("height"), Height, 1, 4096);
		Settings.Read(TEXT("angle"), Angle);
		Settings.Read(TEXT("missing"), Missing);
	}
	TestTrue(TEXT("what is right is read"), Width == 84);
	TestTrue(TEXT("what is not stays"), Height == 2 && Angle == 90.0f && Missing == 7.0f);
	const FString Text = FString::Join(Problems, TEXT("; "));
	TestTrue(TEXT("three problems"), Problems.Num() == 3);
	TestTrue(TEXT("range"), Text.Contains(TEXT("'height' -1, expected a whole number from 1")));
	TestTrue(TEXT("type"), Text.Contains(TEXT("'angle' of another type, expected a number")));
	TestTrue(TEXT("unknown key"), Text.Contains(TEXT("sensor camera has the key 'widht'")));
	return true;
}

#endif
