// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

/** What the command line and the environment ask of this process. */
struct FUerlLaunch
{
	/** Reads -UerlShm=, -UerlLane=, -UerlBridge=, -UerlBridgeTokenFile=, -UerlShmDescribe=,
	 * -UerlNextLearnerS=, or the launcher's environment. */
	static FUerlLaunch Read();

	/** Name of the learner's segment; empty: play as usual. */
	FString Name;

	/** host:port of a learner's end of a bridge, in place of a name; empty: none. */
	FString Bridge;

	/** What both ends of the bridge know. */
	FString BridgeToken;

	/** Lane of it; -1: the first free one. */
	int32 Lane = -1;

	/** The bridge or the name; empty: no learner is named. */
	const FString& GetLearner() const
	{
		return Bridge.IsEmpty() ? Name : Bridge;
	}

	/** Where the spec is to be written; empty: nobody asked. */
	FString DescribeFile;

	/** How long to wait for another learner when this one has gone, in seconds. */
	double NextLearnerS = 0.0;

	/** Whether the world stands still until a command comes, or is only paused, for the editor's
	 * sake. */
	bool bHardLockStep = true;
};
