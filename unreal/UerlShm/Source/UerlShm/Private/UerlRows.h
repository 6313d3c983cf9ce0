// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlArray.h"
#include "UerlSpec.h"

class FUerlCommit;
class UUerlSensor;
struct uerl_simulator;

/** The rows of this process's lane: which array each part of each agent reads or writes. */
class FUerlRows
{
public:
	/** The name ("observation/camera") and array of every part, in the order of the spec. */
	static TArray<TPair<FString, FUerlArray>> ListArrays(const UUerlAgentComponent& Agent);

	/**
	 * Finds the arrays of all groups in a segment.
	 *
	 * @param OutProblems  Every array that is missing or another; empty: all is well.
	 */
	void Bind(uerl_simulator* Simulator, const TArray<FUerlGroup>& Groups,
		const TMap<FName, double>& Parameters, TArray<FString>& OutProblems);

	/** Hands every agent its action: the learner's, or that of its own policy. */
	void Act() const;

	/** Copies what was observed for agents with a policy, before the learner gets the rows. */
	void Remember() const;

	/** Numbers by name that the learner set for this reset. */
	TMap<FName, double> ReadParameters() const;

	/**
	 * Writes every agent's observation and infos.
	 *
	 * @param bFinal   Into the arrays of an episode's last observation; SAME_STEP only.
	 * @param Step     Number of this observation, for those that carry it.
	 * @param bFirst   Whether it is the first of an episode.
	 * @param Commit   Pictures that are not there yet take a part of it.
	 */
	void Observe(bool bFinal, int64 Step, bool bFirst, const TSharedRef<FUerlCommit>& Commit) const;

	/** Writes reward and end of every agent. */
	void WriteOutcomes() const;

private:
	struct FBound
	{
		int32 Array = INDEX_NONE;
		int32 FinalArray = INDEX_NONE;
		int64 NumBytes = 0;
	};

	struct FBoundGroup
	{
		FUerlGroup Group;
		uint32 Number = 0;
		TArray<FBound> Observations;
		TArray<FBound> PictureSteps;
		TArray<FBound> Actions;
		TArray<FBound> Infos;
		TArray<FBound> Taken;
		FBound Step;
		TMap<FName, int32> Annotations;
	};

	FBound BindArray(const FString& Group, const FString& Name, const FUerlArray& Array,
		bool bRequired, TArray<FString>& OutProblems) const;
	int32 Find(const FString& Group, const FString& Name, uint32 Role, const FUerlArray& Array,
		FString& OutProblem) const;
	static void SortArrays(const TMap<FString, FBound>& Arrays, FBoundGroup& Bound);
	int32 FindGroup(const FString& Name, uint32& OutNumber) const;
	void CheckRest(const TSet<FString>& Known, TArray<FString>& OutProblems) const;
	void FindAnnotations(FBoundGroup& Bound) const;
	void ReadAnnotations(const FBoundGroup& Bound, int32 Row) const;
	TArrayView<uint8> GetRow(const FBound& Bound, bool bFinal, int32 Row) const;

	uerl_simulator* Simulator = nullptr;
	TArray<FBoundGroup> Groups;
	TMap<FName, FBound> Parameters;
};
