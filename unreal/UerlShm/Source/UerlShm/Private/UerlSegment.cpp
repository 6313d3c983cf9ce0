// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlSegment.h"

#include "UerlPlatform.h"
#include "UerlShmModule.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

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

void FUerlSegment::Detach()
{
	uerl_simulator_detach(Simulator);
	Simulator = nullptr;
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
