// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "HAL/PlatformMemory.h"

class FUerlBridge;
struct FUerlLaunch;
struct uerl_received;
struct uerl_simulator;

/**
 * A learner's segment, mapped by the engine, and the lane of it that this process holds; or a
 * bridge to a lane on another machine, without a segment here.
 *
 * It never creates, truncates or unlinks: the learner made the file and will remove it. Every size
 * comes from the file and from the learner's header, none from this machine's page size.
 */
class UERLSHM_API FUerlSegment : public FNoncopyable
{
public:
	/** What one try to attach came to. */
	enum class EAttach : uint8
	{
		Attached,
		/** No learner yet, or its lane is still taken: try again. */
		Later,
		/** It will not do; GetError() says why and what to do. */
		Refused,
	};

	FUerlSegment();
	~FUerlSegment();

	/**
	 * Tries to attach once; never blocks.
	 *
	 * @param Name  Of the segment, as in /dev/shm.
	 * @param Lane  -1: the first free one.
	 */
	EAttach Attach(const FString& Name, int32 Lane);

	/** As Attach(), of the segment or the bridge that this process was asked to serve. */
	EAttach Attach(const FUerlLaunch& Launch);

	/** Frees the lane and the mapping, or cuts the connection. */
	void Detach();

	/** The handle for the calls of uerl_shm.h; null while detached. One thread at a time. */
	uerl_simulator* GetSimulator() const
	{
		return Simulator;
	}

	// The calls of uerl_shm.h that wait or send, over a segment or a bridge.
	int Ready();
	int Refuse(const FString& Text);
	int Receive(uerl_received& OutReceived, FTimespan Time);
	int Send();
	int Fail(const char* Text);
	int WriteMessage(const TArray<uint8>& Bytes);

	/** What was found, what was expected and the remedy. */
	const FString& GetError() const
	{
		return Error;
	}

private:
	EAttach Fail(EAttach Outcome, FString Text);
	EAttach ReadSize(const FString& Name, uint64& OutBytes);
	bool Map(const FString& Name, uint64 Bytes);
	void Unmap();
	EAttach Connect(const FUerlLaunch& Launch);
	int Call(TFunctionRef<int()> Function);

	FPlatformMemory::FSharedMemoryRegion* Region = nullptr;
	TUniquePtr<FUerlBridge> Bridge;
	double RetryAt = 0.0; // in the platform's seconds
	uerl_simulator* Simulator = nullptr;
	FString Error;
};
