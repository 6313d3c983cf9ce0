// Main.cpp: the loop of an engine process, in the order of FEngineLoop::Tick.
//
//   shim_engine LEVEL [-UerlShm=NAME ...] [-ShimPageBytes=N] [-ShimReadbackUs=N] [-ShimTicks=N]
//   shim_engine LEVEL -ExecCmds="Automation RunTests UerlShm; Quit"
//
// SIGTERM asks for an exit, as the engine's handler does; the exit code is then 128 + 15.
#include <csignal>

#include "Engine/World.h"
#include "Game.h"
#include "ShimHost.h"

static void OnTerminate(int Signal)
{
	ShimHost::Get().ExitCode = 128 + Signal;
	ShimHost::Get().bExitRequested = true;
}

static int32 Number(const TCHAR* Key, int32 Otherwise)
{
	FParse::Value(FCommandLine::Get(), Key, Otherwise);
	return Otherwise;
}

// What tests want to know of a process that has ended.
static void Report(const UWorld& World, const UEngine& Engine)
{
	const ShimHost& Host = ShimHost::Get();
	for (const FString& Message : Engine.DebugMessages)
	{
		std::printf("Shim: screen %s\n", Message.ToUtf8().c_str());
	}
	for (const ShimHost::Map& Map : Host.Maps)
	{
		std::printf("Shim: map %s create=%d read=%d write=%d bytes=%zu\n", Map.Name.c_str(),
			Map.bCreate, Map.bReads, Map.bWrites, Map.Bytes);
	}
	std::printf("Shim: ticks=%lld stalls=%d heartbeats=%d\n",
		static_cast<long long>(World.NumTicks), Host.NumStalls.load(), FSlowHeartBeatScope::Count);
}

int main(int Count, char** Words)
{
	FString Line;
	for (int Index = 2; Index < Count; Index++)
	{
		Line += FString(std::string(Words[Index])) + TEXT(" ");
	}
	FCommandLine::Set(*Line);
	if (const int NumFailed = ShimRunAutomation(Line); NumFailed >= 0)
	{
		return NumFailed;
	}
	struct sigaction Action = {};
	Action.sa_handler = OnTerminate;
	Action.sa_flags = SA_RESTART; // as the engine has it: no call is interrupted
	sigaction(SIGTERM, &Action, nullptr);
	sigaction(SIGINT, &Action, nullptr);
	ShimHost& Host = ShimHost::Get();
	Host.PageBytes = static_cast<std::size_t>(Number(TEXT("ShimPageBytes="), 4096));
	Host.MaxReadbackUs = Number(TEXT("ShimReadbackUs="), 0);
	const int32 NumTicks = Number(TEXT("ShimTicks="), INT32_MAX);
	UEngine Engine;
	UGameViewportClient Viewport;
	Engine.GameViewport = &Viewport;
	GEngine = &Engine;
	UWorld* const World = NewObject<UWorld>(nullptr);
	// Levels are loaded before their actors begin to play.
	if (Count < 2 || !OpenLevel(*World, FString(std::string(Words[1]))))
	{
		std::fprintf(stderr, "shim_engine: level %s not found\n", Count < 2 ? "" : Words[1]);
		return 2;
	}
	FString Console;
	if (FParse::Value(FCommandLine::Get(), TEXT("ShimConsole="), Console))
	{
		IConsoleManager::Get().ProcessUserConsoleInput(*Console);
	}
	World->ShimBegin(FString(std::string(Words[1])), EWorldType::Game);
	for (int32 Tick = 0; Tick < NumTicks && !IsEngineExitRequested(); Tick++)
	{
		Engine.DebugMessages.Reset(); // what was shown until the next frame
		FCoreDelegates::OnBeginFrame.Broadcast();
		World->ShimTick(static_cast<float>(FApp::GetFixedDeltaTime()));
		FCoreDelegates::OnEndFrame.Broadcast();
		std::printf("%s", ""); // the engine pumps messages here
	}
	FCoreDelegates::OnEnginePreExit.Broadcast();
	World->ShimEnd();
	FCoreDelegates::OnExit.Broadcast();
	Report(*World, Engine);
	std::fflush(nullptr);
	std::_Exit(Host.ExitCode); // worker threads of the shim are still there
}
