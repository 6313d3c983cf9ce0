// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "Dom/JsonObject.h"
#include "Dom/JsonValue.h"
#include "UerlArray.h"
#include "UerlTestFlags.h"

#if WITH_DEV_AUTOMATION_TESTS

IMPLEMENT_SIMPLE_AUTOMATION_TEST(
	FUerlArrayTest, "UerlShm.Array.JsonSaysWhatTheArrayIs", UerlTestFlags)

bool FUerlArrayTest::RunTest(const FString& Parameters)
{
	const FUerlArray Image = FUerlArray::Image(48, 84, 3);
	const TSharedRef<FJsonObject> Json = Image.ToJson();
	FString Dtype, Kind;
	TestTrue(TEXT("texts"), Json->TryGetStringField(TEXT("dtype"), Dtype) &&
								Json->TryGetStringField(TEXT("kind"), Kind));
	TestTrue(TEXT("dtype"), Dtype == TEXT("uint8"));
	TestTrue(TEXT("kind"), Kind == TEXT("box"));
	const TArray<TSharedPtr<FJsonValue>>* Shape = nullptr;
	if (TestTrue(TEXT("shape"), Json->TryGetArrayField(TEXT("shape"), Shape) && Shape->Num() == 3))
	{
		TestTrue(TEXT("height comes first"), (*Shape)[0]->AsNumber() == 48.0);
	}
	TestTrue(TEXT("bytes"), Image.NumBytes() == 48 * 84 * 3);
	TestTrue(TEXT("latency"), !Json->HasField(TEXT("latency")));
	const FUerlArray Choice = FUerlArray::Discrete(5);
	TestTrue(TEXT("choices"), Choice.ToJson()->HasField(TEXT("nvec")));
	TestTrue(TEXT("equal"), Choice == FUerlArray::Discrete(5));
	TestTrue(TEXT("unequal"), !(Choice == FUerlArray::Discrete(6)));
	double Low = 0.0;
	const TSharedRef<FJsonObject> Bounded = FUerlArray::Floats({ 2 }, -1.0, 1.0).ToJson();
	TestTrue(TEXT("bounds"), Bounded->TryGetNumberField(TEXT("low"), Low) && Low == -1.0);
	return true;
}

#endif
