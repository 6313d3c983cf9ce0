// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlConsole.h"

#include "HAL/IConsoleManager.h"

namespace UerlConsole
{
	static TAutoConsoleVariable<int32> CVarHardLockStep(TEXT("Uerl.ForceHardLockStep"), 0,
		TEXT("1: also the editor stands still until a command comes; packaged games always do."));
	static TAutoConsoleVariable<int32> CVarHardLockStepAlias(
		TEXT("ML.bForceHardLockStep"), 0, TEXT("UERL's name of Uerl.ForceHardLockStep."));
	static TAutoConsoleVariable<int32> CVarHuman(
		TEXT("Uerl.Human"), 0, TEXT("1: a person plays; the world does not wait for a learner."));
	static TAutoConsoleVariable<int32> CVarHumanAlias(
		TEXT("ML.bHumanMode"), 0, TEXT("UERL's name of Uerl.Human."));
	static TAutoConsoleVariable<FString> CVarDebugAgent(TEXT("Uerl.DebugAgent"), TEXT(""),
		TEXT("Name of the agent whose sensors, actions and rewards are shown; empty: none."));
	static TAutoConsoleVariable<FString> CVarDebugAgentAlias(
		TEXT("ML.DebugAgent"), TEXT(""), TEXT("UERL's name of Uerl.DebugAgent."));

	bool ForcesHardLockStep()
	{
		return CVarHardLockStep.GetValueOnGameThread() != 0 ||
			   CVarHardLockStepAlias.GetValueOnGameThread() != 0;
	}

	bool IsHuman()
	{
		return CVarHuman.GetValueOnGameThread() != 0 || CVarHumanAlias.GetValueOnGameThread() != 0;
	}

	void SetHuman()
	{
		CVarHuman->Set(1, ECVF_SetByConsole);
	}

	FString GetDebugAgent()
	{
		const FString Name = CVarDebugAgent.GetValueOnGameThread();
		return Name.IsEmpty() ? CVarDebugAgentAlias.GetValueOnGameThread() : Name;
	}
} // namespace UerlConsole
