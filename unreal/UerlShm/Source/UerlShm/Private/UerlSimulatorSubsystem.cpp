// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSimulatorSubsystem.h"

#include "CoreGlobals.h"
#include "Engine/World.h"
#include "HAL/ThreadHeartBeat.h"
#include "Misc/CoreDelegates.h"
#include "Misc/FileHelper.h"
#include "UerlAgentComponent.h"
#include "UerlCommit.h"
#include "UerlConsole.h"
#include "UerlDebug.h"
#include "UerlEnv.h"
#include "UerlLaunch.h"
#include "UerlPlay.h"
#include "UerlSegment.h"
#include "UerlShmModule.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

/** Longest sleep before a look at whether the engine wants to exit. */
static const FTimespan Slice = FTimespan::FromMilliseconds(100.0);

/** After which a picture is taken to be lost, as with a GPU that has crashed. */
static const FTimespan LongestReadback = FTimespan::FromMilliseconds(10000.0);

UUerlSimulatorSubsystem::UUerlSimulatorSubsystem() = default;
UUerlSimulatorSubsystem::~UUerlSimulatorSubsystem() = default;

bool UUerlSimulatorSubsystem::DoesSupportWorldType(const EWorldType::Type WorldType) const
{
	return WorldType == EWorldType::Game || WorldType == EWorldType::PIE;
}

bool UUerlSimulatorSubsystem::IsAttached() const
{
	return State == EState::Serving;
}

TArray<UUerlAgentComponent*> UUerlSimulatorSubsystem::GetAgents() const
{
	return Env.IsValid() ? Env->GetAgents() : TArray<UUerlAgentComponent*>();
}

bool UUerlSimulatorSubsystem::SendMessage(const TArray<uint8>& Bytes)
{
	return IsAttached() && Segment->WriteMessage(Bytes) == UERL_OK;
}

void UUerlSimulatorSubsystem::OnWorldBeginPlay(UWorld& World)
{
	Super::OnWorldBeginPlay(World);
	Launch = MakeShared<FUerlLaunch>(FUerlLaunch::Read());
	Segment = MakeShared<FUerlSegment>();
	Env = MakeShared<FUerlEnv>(World);
	Play =
		MakeShared<FUerlPlay>(World, [this](const FUerlReset& Reset) { OnReset.Broadcast(Reset); });
	if (!Launch->DescribeFile.IsEmpty())
	{
		Describe(Launch->DescribeFile);
		return;
	}
	if (Launch->GetLearner().IsEmpty())
	{
		UE_LOG(LogUerlShm, Display,
			TEXT("no learner is named, the world plays as usual: give -UerlShm=NAME to make it a "
				 "simulator"));
	}
	else
	{
		State = EState::Waiting;
	}
	FCoreDelegates::OnBeginFrame.AddUObject(this, &UUerlSimulatorSubsystem::WaitForLearner);
	FWorldDelegates::OnWorldTickStart.AddUObject(this, &UUerlSimulatorSubsystem::OnTickStart);
	FWorldDelegates::OnWorldTickEnd.AddUObject(this, &UUerlSimulatorSubsystem::OnTickEnd);
	FCoreDelegates::OnEnginePreExit.AddUObject(this, &UUerlSimulatorSubsystem::Stop);
	FCoreDelegates::OnHandleSystemError.AddUObject(this, &UUerlSimulatorSubsystem::Stop);
}

void UUerlSimulatorSubsystem::Deinitialize()
{
	Stop();
	Super::Deinitialize();
}

void UUerlSimulatorSubsystem::Stop()
{
	FCoreDelegates::OnBeginFrame.RemoveAll(this);
	FWorldDelegates::OnWorldTickStart.RemoveAll(this);
	FWorldDelegates::OnWorldTickEnd.RemoveAll(this);
	FCoreDelegates::OnEnginePreExit.RemoveAll(this);
	FCoreDelegates::OnHandleSystemError.RemoveAll(this);
	Leave(FString(), /* bLearnerIsGone = */ false);
	Play.Reset();
}

// The engine's log goes to stdout, so the spec goes to a file.
void UUerlSimulatorSubsystem::Describe(const FString& Path)
{
	TArray<FString> Problems;
	const FString Spec = Env->Describe(Problems);
	const auto Utf8 = FFileHelper::EEncodingOptions::ForceUTF8WithoutBOM;
	if (Problems.Num() == 0 && !FFileHelper::SaveStringToFile(Spec, *Path, Utf8))
	{
		Problems.Add(FString::Printf(
			TEXT("%s cannot be written, expected a file name of a writable folder"), *Path));
	}
	for (const FString& Problem : Problems)
	{
		UE_LOG(LogUerlShm, Error, TEXT("%s"), *Problem);
	}
	FPlatformMisc::RequestExitWithStatus(/* Force = */ false, Problems.Num() == 0 ? 0 : 1);
}

void UUerlSimulatorSubsystem::OnTickStart(UWorld* World, ELevelTick TickType, float DeltaSeconds)
{
	if (World != GetWorld())
	{
		return;
	}
	if (State == EState::Idle || UerlConsole::IsHuman())
	{
		Play->StartTick();
		return;
	}
	if (State == EState::Serving && WaitForSend())
	{
		while (State == EState::Serving && ReceiveCommand() && !Answer())
		{
		}
	}
	if (!Launch->bHardLockStep)
	{
		Env->SetPaused(State == EState::Serving && !bInStep);
	}
}

// At the beginning of a frame, so that its time step is already the one that the learner asks for.
void UUerlSimulatorSubsystem::WaitForLearner()
{
	if (State != EState::Waiting || UerlConsole::IsHuman())
	{
		return;
	}
	FSlowHeartBeatScope SlowHeartBeat;
	FDisableHitchDetectorScope NoHitches;
	while (!IsEngineExitRequested())
	{
		const FUerlSegment::EAttach Outcome = Segment->Attach(*Launch);
		if (Outcome == FUerlSegment::EAttach::Attached)
		{
			if (Prepare())
			{
				State = EState::Serving;
			}
			return;
		}
		if (Outcome == FUerlSegment::EAttach::Refused)
		{
			UE_LOG(LogUerlShm, Error, TEXT("%s"), *Segment->GetError());
			State = EState::Idle;
			return;
		}
		if (GiveUpAfter > 0.0 && FPlatformTime::Seconds() > GiveUpAfter)
		{
			RequestEngineExit(TEXT("no other learner came for this simulator"));
			return;
		}
		if (!bToldOfWaiting)
		{
			UE_LOG(LogUerlShm, Display, TEXT("waiting for a learner: %s"), *Segment->GetError());
			bToldOfWaiting = true;
		}
		if (!Launch->bHardLockStep)
		{
			return; // the editor stays alive; the next tick tries again
		}
		FPlatformProcess::SleepNoStats(0.02f);
	}
}

// Every problem reaches the learner in one message.
bool UUerlSimulatorSubsystem::Prepare()
{
	uerl_simulator* const Simulator = Segment->GetSimulator();
	TArray<FString> Problems;
	Env->Prepare(Simulator, Problems);
	if (Problems.Num() == 0 && Segment->Ready() != UERL_OK)
	{
		Problems.Add(UTF8_TO_TCHAR(uerl_last_error()));
	}
	if (Problems.Num() > 0)
	{
		Refuse(Problems);
		return false;
	}
	UE_LOG(LogUerlShm, Display, TEXT("serves %s, lane %d, with %d agents"), *Launch->GetLearner(),
		uerl_simulator_lane(Simulator), GetAgents().Num());
	return true;
}

void UUerlSimulatorSubsystem::Refuse(const TArray<FString>& Problems)
{
	const FString Text = FString::Join(Problems, TEXT("; "));
	UE_LOG(LogUerlShm, Error, TEXT("%s"), *Text);
	Segment->Refuse(Text);
	Leave(FString(), /* bLearnerIsGone = */ false);
}

// The last result may still wait for a picture, whose thread uses the handle.
bool UUerlSimulatorSubsystem::WaitForSend()
{
	while (Commit.IsValid() && !Commit->Wait(Slice))
	{
		if (IsEngineExitRequested())
		{
			return false;
		}
	}
	Commit.Reset();
	return true;
}

bool UUerlSimulatorSubsystem::ReceiveCommand()
{
	FSlowHeartBeatScope SlowHeartBeat;
	FDisableHitchDetectorScope NoHitches;
	while (!IsEngineExitRequested())
	{
		uerl_received Received;
		const int Outcome =
			Segment->Receive(Received, Launch->bHardLockStep ? Slice : FTimespan::Zero());
		if (Outcome == UERL_OK)
		{
			Options.Empty();
			if (Received.has_message != 0)
			{
				ReadMessage();
			}
			return true;
		}
		if (Outcome != UERL_E_TIMEOUT)
		{
			Leave(UTF8_TO_TCHAR(uerl_last_error()), Outcome == UERL_E_CLOSED);
			return false;
		}
		if (!Launch->bHardLockStep)
		{
			return false;
		}
	}
	return false;
}

void UUerlSimulatorSubsystem::ReadMessage()
{
	uint32 Kind = 0, NumBytes = 0;
	const void* const Bytes = uerl_simulator_message(Segment->GetSimulator(), &Kind, &NumBytes);
	if (Bytes == nullptr)
	{
		return;
	}
	const TArray<uint8> Copy(static_cast<const uint8*>(Bytes), NumBytes);
	if (Kind == UERL_MESSAGE_OPTIONS)
	{
		const FUTF8ToTCHAR Text(reinterpret_cast<const ANSICHAR*>(Copy.GetData()), Copy.Num());
		Options = FString(Text.Length(), Text.Get());
	}
	else if (Kind == UERL_MESSAGE_CUSTOM)
	{
		OnMessage.Broadcast(Copy);
	}
}

// Answers a command that needs no tick; true: the world has to tick first.
bool UUerlSimulatorSubsystem::Answer()
{
	const uint32 Control = uerl_simulator_control(Segment->GetSimulator(), 0);
	if (Control == UERL_CONTROL_STEP && Env->HasEnded())
	{
		Segment->Fail("the env got a step after its episode had ended, expected a "
					  "reset first: call reset() before step()");
		Leave(TEXT("the learner sent a step after the episode had ended, expected a reset first"),
			/* bLearnerIsGone = */ false);
		return false;
	}
	if (Control == UERL_CONTROL_STEP)
	{
		Env->Act();
		bInStep = true;
		return true;
	}
	BeginResult(/* bObserves = */ Control == UERL_CONTROL_RESET);
	if (Control == UERL_CONTROL_RESET)
	{
		ResetEpisode(/* bOwn = */ false);
		Env->Observe(/* bFinal = */ false, /* bFirst = */ true, Commit.ToSharedRef());
		Env->WriteOutcomes();
	}
	Commit->Finish();
	return !WaitForSend();
}

void UUerlSimulatorSubsystem::BeginResult(bool bObserves)
{
	Commit = MakeShared<FUerlCommit>(
		[Env = Env, Segment = Segment, bObserves]
		{
			if (bObserves)
			{
				Env->Remember(); // the learner may change the rows once it has them
			}
			Segment->Send();
		});
}

void UUerlSimulatorSubsystem::ResetEpisode(bool bOwn)
{
	const FUerlReset Reset = Env->ReadReset(bOwn, Options);
	if (Reset.bHasSeed)
	{
		FMath::RandInit(static_cast<int32>(Reset.Seed));
		FMath::SRandInit(static_cast<int32>(Reset.Seed));
	}
	OnReset.Broadcast(Reset);
	Env->Reset(Reset);
}

void UUerlSimulatorSubsystem::OnTickEnd(UWorld* World, ELevelTick TickType, float DeltaSeconds)
{
	if (World != GetWorld())
	{
		return;
	}
	if (bInStep)
	{
		bInStep = false;
		FinishStep(DeltaSeconds);
	}
	Play->FinishTick(DeltaSeconds);
	UerlDebug::Show(*World);
}

void UUerlSimulatorSubsystem::FinishStep(float DeltaSeconds)
{
	BeginResult(/* bObserves = */ true);
	Env->FinishTick(DeltaSeconds);
	const bool bSameStep =
		uerl_simulator_autoreset_mode(Segment->GetSimulator()) == UERL_AUTORESET_SAME_STEP;
	if (bSameStep && Env->HasAnyEnded())
	{
		Env->Observe(/* bFinal = */ true, /* bFirst = */ false, Commit.ToSharedRef());
	}
	const bool bResets = bSameStep && Env->HasEnded();
	if (bResets)
	{
		ResetEpisode(/* bOwn = */ true);
	}
	Env->Observe(/* bFinal = */ false, bResets, Commit.ToSharedRef());
	Commit->Finish();
}

void UUerlSimulatorSubsystem::Leave(const FString& Why, bool bLearnerIsGone)
{
	if (!Segment.IsValid() || Segment->GetSimulator() == nullptr)
	{
		State = EState::Idle;
		return;
	}
	// Pictures on their way write into the mapping. If the GPU is lost, the result keeps it.
	const bool bHasLanded = !Commit.IsValid() || Commit->Wait(LongestReadback);
	Commit.Reset();
	if (bHasLanded)
	{
		Segment->Detach();
	}
	Segment = MakeShared<FUerlSegment>();
	bInStep = false;
	bToldOfWaiting = false;
	State = EState::Idle;
	if (!Why.IsEmpty())
	{
		UE_LOG(LogUerlShm, Display, TEXT("%s"), *Why);
	}
	if (bLearnerIsGone && (Launch->NextLearnerS > 0.0 || GIsEditor))
	{
		State = EState::Waiting;
		GiveUpAfter = GIsEditor ? 0.0 : FPlatformTime::Seconds() + Launch->NextLearnerS;
	}
	else if (bLearnerIsGone)
	{
		RequestEngineExit(TEXT("the learner of this simulator has gone"));
	}
}
