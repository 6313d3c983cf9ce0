// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

class FJsonObject;

/**
 * What a configuration says of one part, with UERL's keys.
 *
 * A part reads each key that it knows; what nobody has read, or has the wrong type, is a problem,
 * and all problems are reported together.
 */
class UERLSHM_API FUerlSettings
{
public:
	/**
	 * @param Where        What problems begin with, such as "agent Agent1 sensor camera".
	 * @param OutProblems  Where problems are added; outlives this.
	 */
	FUerlSettings(TSharedRef<FJsonObject> Json, FString Where, TArray<FString>& OutProblems);

	/** Tells of every key that nobody has read. */
	~FUerlSettings();

	/** Each sets Value where the key is present, and leaves it alone otherwise. */
	void Read(const TCHAR* Key, FString& Value);
	void Read(const TCHAR* Key, FName& Value);
	void Read(const TCHAR* Key, bool& bValue);
	void Read(const TCHAR* Key, float& Value);
	void Read(const TCHAR* Key, double& Value);

	/** An object of x, y and z. */
	void Read(const TCHAR* Key, FVector& Value);

	/** An object of roll, yaw and pitch, in degrees. */
	void Read(const TCHAR* Key, FRotator& Value);

	void Read(const TCHAR* Key, TArray<FString>& Value);

	/** Whole numbers of 32 bits. */
	void Read(const TCHAR* Key, TArray<int32>& Value);

	/** A whole number between two others. */
	void Read(const TCHAR* Key, int32& Value, int32 Least, int32 Most);

	/** Says that a key is known and means nothing here. */
	void Ignore(const TCHAR* Key);

	/** Says that something will not do: what was found, what was expected. */
	void AddProblem(const FString& Text);

private:
	TSharedPtr<class FJsonValue> Find(const TCHAR* Key);
	void ReadNumber(const TCHAR* Key, double& Value);
	void ReadObject(const TCHAR* Key, TArrayView<const TCHAR* const> Names, double* Values);

	TSharedRef<FJsonObject> Json;
	FString Where;
	TArray<FString>& Problems;
	TSet<FString> Known;
};
