// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "HAL/CriticalSection.h"
#include "HAL/Event.h"
#include "HAL/Runnable.h"

#include <atomic>

class FRunnableThread;
class FSocket;
struct uerl_bridge;
struct uerl_simulator;

/**
 * A connection to a learner on another machine (`uerl-shm bridge`), over the engine's sockets: no
 * shared memory, on any system.
 *
 * A thread of its own connects, carries the bytes and says that this process is alive, however
 * long a tick takes. The protocol is the core's (bridge.h). TLS is not spoken here: put a tunnel
 * before it (docs/howto/bridge.md).
 */
class FUerlBridge : public FRunnable, public FNoncopyable
{
public:
	/**
	 * Begins to connect; never blocks.
	 *
	 * @param Address  host:port of the learner's end.
	 * @param Token    What both ends know.
	 * @param Lane     -1: any that is free.
	 */
	FUerlBridge(const FString& Address, const FString& Token, int32 Lane);

	/**
	 * Cuts the connection, once what was sent has arrived, in 0.3 s at most; while an address is
	 * looked up, it waits for that. The simulator must have been detached.
	 */
	virtual ~FUerlBridge() override;

	/** The simulator once the learner's end has let this one in, else null. */
	uerl_simulator* GetSimulator();

	/** UERL_OK while the connection is there or on its way; else why it is not, also in words. */
	int GetOutcome(FString& OutText);

	/** Makes a call of uerl_shm.h on the simulator, and sends what it has to say. */
	int Call(TFunctionRef<int()> Function);

	/** Waits until something has come, or the connection has ended. */
	void WaitForInput(FTimespan Time);

	virtual uint32 Run() override;

private:
	bool Connect();
	void Carry();
	void LetArrive();
	bool ReceiveAll();
	void SendSome();
	void Cut(const FString& Why);

	const FString Address;
	FCriticalSection Lock; // bridge, its simulator's calls, what is to be sent
	FEventRef Changed{ EEventMode::AutoReset };
	std::atomic<bool> bStops{ false };
	bool bConnects = true; // under the lock: the thread is looking for the other end
	uerl_bridge* Bridge = nullptr;
	int Refusal = 0; // of uerl_bridge_open()
	FString RefusalText;
	FSocket* Socket = nullptr;
	TArray<uint8> Input;
	TArray<uint8> Output;
	int32 NumOutput = 0; // bytes of Output that are to be sent
	FRunnableThread* Thread = nullptr;
};
