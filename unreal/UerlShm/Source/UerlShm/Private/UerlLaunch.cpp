// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlLaunch.h"

#include "HAL/PlatformMisc.h"
#include "Misc/CommandLine.h"
#include "Misc/FileHelper.h"
#include "Misc/Parse.h"
#include "UerlConsole.h"
#include "UerlShmModule.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

// The command line outweighs the environment, which a launcher may have set for many processes.
static FString ReadText(const TCHAR* Key, const TCHAR* Variable)
{
	FString Value;
	if (!FParse::Value(FCommandLine::Get(), Key, Value))
	{
		Value = FPlatformMisc::GetEnvironmentVariable(Variable);
	}
	return Value;
}

// In a file: every user of the machine can read the command line, and the engine logs it.
static FString ReadBridgeToken()
{
	FString Token;
	const FString File = ReadText(TEXT("UerlBridgeTokenFile="), TEXT(UERL_ENV_BRIDGE_TOKEN_FILE));
	if (!FFileHelper::LoadFileToString(Token, *File))
	{
		UE_LOG(LogUerlShm, Error,
			TEXT("token file '%s' cannot be read, expected one line: give "
				 "-UerlBridgeTokenFile= the file that the learner's end has, too"),
			*File);
	}
	return Token.TrimStartAndEnd();
}

FUerlLaunch FUerlLaunch::Read()
{
	FUerlLaunch Launch;
	Launch.Name = ReadText(TEXT("UerlShm="), TEXT(UERL_ENV_NAME));
	Launch.Bridge = ReadText(TEXT("UerlBridge="), TEXT(UERL_ENV_BRIDGE));
	if (!Launch.Bridge.IsEmpty())
	{
		Launch.BridgeToken = ReadBridgeToken();
	}
	Launch.DescribeFile = ReadText(TEXT("UerlShmDescribe="), TEXT(UERL_ENV_DESCRIBE));
	const FString Lane = ReadText(TEXT("UerlLane="), TEXT(UERL_ENV_LANE));
	if (Lane.IsNumeric())
	{
		Launch.Lane = FCString::Atoi(*Lane);
	}
	else if (!Lane.IsEmpty())
	{
		UE_LOG(LogUerlShm, Error,
			TEXT("lane '%s' is no number, expected 0 or more: the first free lane is taken"),
			*Lane);
	}
	FParse::Value(FCommandLine::Get(), TEXT("UerlNextLearnerS="), Launch.NextLearnerS);
	Launch.bHardLockStep = !GIsEditor || UerlConsole::ForcesHardLockStep();
	return Launch;
}
