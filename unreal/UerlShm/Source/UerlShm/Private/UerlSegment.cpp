// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSegment.h"

#include "HAL/PlatformTime.h"
#include "UerlBridge.h"
#include "UerlLaunch.h"
#include "UerlPlatform.h"
#include "UerlShmModule.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

/** Between two connections to a learner's end that has no learner yet, or no free lane. */
static constexpr double BridgeRetryS = 0.5;

FUerlSegment::FUerlSegment() = default;

FUerlSegment::~FUerlSegment()
{
	Detach();
}

FUerlSegment::EAttach FUerlSegment::Fail(EAttach Outcome, FString Text)
{
	Error = MoveTemp(Text);
	Unmap();
	return Outcome;
}

// The engine maps whatever size it is told, also beyond the end of the file, where the first touch
// is a SIGBUS: so the file and the learner's header are read first.
FUerlSegment::EAttach FUerlSegment::ReadSize(const FString& Name, uint64& OutBytes)
{
	FString Problem;
	uerl_header Header = {};
	const int64 Bytes = UerlPlatform::ReadRegion(Name, &Header, sizeof(Header), Problem);
	if (Bytes == UerlPlatform::NoRegion)
	{
		return Fail(EAttach::Later, MoveTemp(Problem));
	}
	if (Bytes < 0)
	{
		return Fail(EAttach::Refused, MoveTemp(Problem));
	}
	const bool bHasHeader = static_cast<uint64>(Bytes) >= sizeof(Header);
	if (bHasHeader && Header.magic != UERL_MAGIC)
	{
		return Fail(
			EAttach::Refused, FString::Printf(TEXT("%s is no segment of uerl_shm, expected one "
												   "that a learner made: choose another name"),
								  *Name));
	}
	OutBytes = FMath::Max<uint64>(Header.segment_bytes, sizeof(Header));
	if (static_cast<uint64>(Bytes) < OutBytes)
	{
		return Fail(EAttach::Refused,
			FString::Printf(
				TEXT("segment %s has %lld bytes, expected at least %llu: somebody else made or "
					 "truncated it; choose another name"),
				*Name, Bytes, OutBytes));
	}
	return EAttach::Attached;
}

bool FUerlSegment::Map(const FString& Name, uint64 Bytes)
{
	Unmap();
	const uint32 Access = static_cast<uint32>(FPlatformMemory::ESharedMemoryAccess::Read) |
						  static_cast<uint32>(FPlatformMemory::ESharedMemoryAccess::Write);
	Region =
		FPlatformMemory::MapNamedSharedMemoryRegion(Name, /* bCreate = */ false, Access, Bytes);
	return Region != nullptr;
}

FUerlSegment::EAttach FUerlSegment::Attach(const FString& Name, int32 Lane)
{
	check(Simulator == nullptr);
	uint64 Bytes = 0;
	const EAttach Found = ReadSize(Name, Bytes);
	if (Found != EAttach::Attached)
	{
		return Found;
	}
	if (!Map(Name, Bytes))
	{
		return Fail(EAttach::Refused,
			FString::Printf(
				TEXT("segment %s of %llu bytes cannot be mapped by the engine, expected room for "
					 "it: see LogHAL, and raise the process's limit of memory (ulimit -v)"),
				*Name, Bytes));
	}
	const int Outcome = uerl_simulator_attach_mapping(
		&Simulator, Region->GetAddress(), Bytes, TCHAR_TO_UTF8(*Name), Lane);
	if (Outcome == UERL_OK)
	{
		Error.Empty();
		return EAttach::Attached;
	}
	Simulator = nullptr;
	const bool bMayCome = Outcome == UERL_E_NOT_FOUND || Outcome == UERL_E_EXISTS;
	return Fail(bMayCome ? EAttach::Later : EAttach::Refused, UTF8_TO_TCHAR(uerl_last_error()));
}

FUerlSegment::EAttach FUerlSegment::Attach(const FUerlLaunch& Launch)
{
	return Launch.Bridge.IsEmpty() ? Attach(Launch.Name, Launch.Lane) : Connect(Launch);
}

// One try takes several calls: a thread connects meanwhile.
FUerlSegment::EAttach FUerlSegment::Connect(const FUerlLaunch& Launch)
{
	check(Simulator == nullptr);
	if (!Bridge.IsValid())
	{
		if (FPlatformTime::Seconds() < RetryAt)
		{
			return EAttach::Later;
		}
		Bridge = MakeUnique<FUerlBridge>(Launch.Bridge, Launch.BridgeToken, Launch.Lane);
		RetryAt = FPlatformTime::Seconds() + BridgeRetryS;
	}
	const int Outcome = Bridge->GetOutcome(Error);
	Simulator = Outcome == UERL_OK ? Bridge->GetSimulator() : nullptr;
	if (Simulator != nullptr)
	{
		return EAttach::Attached;
	}
	if (Outcome == UERL_OK)
	{
		Error = FString::Printf(TEXT("connecting to the bridge at %s"), *Launch.Bridge);
		return EAttach::Later;
	}
	Detach();
	const bool bMayCome =
		Outcome == UERL_E_NOT_FOUND || Outcome == UERL_E_EXISTS || Outcome == UERL_E_CLOSED;
	return bMayCome ? EAttach::Later : EAttach::Refused;
}

int FUerlSegment::Receive(uerl_received& OutReceived, FTimespan Time)
{
	if (!Bridge.IsValid())
	{
		return uerl_simulator_receive(
			Simulator, &OutReceived, Time.GetTicks() * ETimespan::NanosecondsPerTick);
	}
	const auto Look = [this, &OutReceived]
	{ return uerl_simulator_receive(Simulator, &OutReceived, 0); };
	int Outcome = Bridge->Call(Look);
	if (Outcome == UERL_E_TIMEOUT && Time > FTimespan::Zero())
	{
		Bridge->WaitForInput(Time);
		Outcome = Bridge->Call(Look);
	}
	return Outcome;
}

int FUerlSegment::Ready()
{
	return Call([this] { return uerl_simulator_ready(Simulator); });
}

int FUerlSegment::Refuse(const FString& Text)
{
	return Call([this, &Text] { return uerl_simulator_refuse(Simulator, TCHAR_TO_UTF8(*Text)); });
}

int FUerlSegment::Send()
{
	return Call([this] { return uerl_simulator_send(Simulator); });
}

int FUerlSegment::Fail(const char* Text)
{
	return Call([this, Text] { return uerl_simulator_fail(Simulator, Text); });
}

int FUerlSegment::WriteMessage(const TArray<uint8>& Bytes)
{
	return Call(
		[this, &Bytes]
		{
			return uerl_simulator_write_message(
				Simulator, UERL_MESSAGE_CUSTOM, Bytes.GetData(), Bytes.Num());
		});
}

int FUerlSegment::Call(TFunctionRef<int()> Function)
{
	return Bridge.IsValid() ? Bridge->Call(Function) : Function();
}

void FUerlSegment::Detach()
{
	const auto Leave = [this]
	{
		uerl_simulator_detach(Simulator);
		return UERL_OK;
	};
	Call(Leave);
	Simulator = nullptr;
	Bridge.Reset();
	Unmap();
}

void FUerlSegment::Unmap()
{
	if (Region != nullptr && !FPlatformMemory::UnmapNamedSharedMemoryRegion(Region))
	{
		UE_LOG(LogUerlShm, Warning,
			TEXT("a mapped segment could not be unmapped: its memory stays in use until this "
				 "process ends"));
	}
	Region = nullptr;
}
