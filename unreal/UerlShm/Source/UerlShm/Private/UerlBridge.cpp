// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlBridge.h"

#include "AddressInfoTypes.h"
#include "HAL/PlatformTime.h"
#include "HAL/RunnableThread.h"
#include "IPAddress.h"
#include "Misc/Guid.h"
#include "Misc/ScopeLock.h"
#include "SocketSubsystem.h"
#include "Sockets.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/bridge.h"
THIRD_PARTY_INCLUDES_END

/** Of one system call. */
static constexpr int32 PieceBytes = 1 << 18;

/** Longest wait for the other end to answer at all. */
static constexpr double ConnectS = 5.0;

/** Longest wait for what was sent last to arrive. */
static constexpr double LingerS = 0.3;

/** Longest sleep of the thread: signs of life are due each 0.4 s. */
static const FTimespan BridgeSlice = FTimespan::FromMilliseconds(50.0);

static int64 NowNs()
{
	return static_cast<int64>(FPlatformTime::Seconds() * 1e9);
}

FUerlBridge::FUerlBridge(const FString& InAddress, const FString& Token, int32 Lane)
	: Address(InAddress)
{
	Input.SetNumUninitialized(PieceBytes);
	Output.SetNumUninitialized(PieceBytes);
	const FGuid Random[2] = { FGuid::NewGuid(), FGuid::NewGuid() };
	static_assert(sizeof(Random) == UERL_BRIDGE_NONCE_BYTES, "two GUIDs are a nonce");
	const FTCHARToUTF8 Utf8(*Token);
	Refusal = uerl_bridge_open(
		&Bridge, Utf8.Get(), Utf8.Length(), reinterpret_cast<const uint8*>(Random), Lane);
	if (Refusal != UERL_OK)
	{
		RefusalText = UTF8_TO_TCHAR(uerl_last_error());
		return;
	}
	Thread = FRunnableThread::Create(this, TEXT("UerlBridge"));
}

FUerlBridge::~FUerlBridge()
{
	bStops = true;
	if (Thread != nullptr)
	{
		Thread->WaitForCompletion();
		delete Thread;
	}
	if (Socket != nullptr)
	{
		Socket->Close();
		ISocketSubsystem::Get(PLATFORM_SOCKETSUBSYSTEM)->DestroySocket(Socket);
	}
	uerl_bridge_close(Bridge);
}

uerl_simulator* FUerlBridge::GetSimulator()
{
	FScopeLock Locked(&Lock);
	return Bridge != nullptr ? uerl_bridge_simulator(Bridge) : nullptr;
}

int FUerlBridge::GetOutcome(FString& OutText)
{
	FScopeLock Locked(&Lock);
	OutText = RefusalText;
	if (Bridge == nullptr || (bConnects && Thread != nullptr)) // nobody is silent yet
	{
		return Refusal;
	}
	const int Outcome = uerl_bridge_tick(Bridge, NowNs());
	if (Outcome != UERL_OK)
	{
		OutText = UTF8_TO_TCHAR(uerl_last_error());
	}
	return Outcome;
}

int FUerlBridge::Call(TFunctionRef<int()> Function)
{
	int Outcome = UERL_OK;
	{
		FScopeLock Locked(&Lock);
		Outcome = Function();
		SendSome();
	}
	// The rest: the thread sleeps until something comes, which may not be before this has arrived.
	while (!bStops)
	{
		{
			FScopeLock Locked(&Lock);
			SendSome();
			if (NumOutput == 0)
			{
				break;
			}
		}
		Socket->Wait(ESocketWaitConditions::WaitForWrite, BridgeSlice);
	}
	return Outcome;
}

void FUerlBridge::WaitForInput(FTimespan Time)
{
	Changed->Wait(Time);
}

uint32 FUerlBridge::Run()
{
	const bool bConnected = Connect();
	{
		FScopeLock Locked(&Lock);
		bConnects = false;
	}
	if (bConnected)
	{
		Carry();
	}
	{
		FScopeLock Locked(&Lock);
		uerl_bridge_cut(Bridge, "the bridge was closed at this end");
		bStops = true;
	}
	Changed->Trigger();
	if (bConnected)
	{
		LetArrive();
	}
	return 0;
}

bool FUerlBridge::Connect()
{
	FString Host, Port;
	const bool bHasPort =
		Address.Split(TEXT(":"), &Host, &Port, ESearchCase::CaseSensitive, ESearchDir::FromEnd) &&
		Port.IsNumeric();
	Host.RemoveFromStart(TEXT("[")); // of an IPv6 address
	Host.RemoveFromEnd(TEXT("]"));
	ISocketSubsystem* const Sockets = ISocketSubsystem::Get(PLATFORM_SOCKETSUBSYSTEM);
	if (!bHasPort || Sockets == nullptr)
	{
		Cut(TEXT("is no host:port"));
		return false;
	}
	const FAddressInfoResult Found = Sockets->GetAddressInfo(
		*Host, *Port, EAddressInfoFlags::Default, NAME_None, ESocketType::SOCKTYPE_Streaming);
	if (Found.ReturnCode != SE_NO_ERROR || Found.Results.Num() == 0)
	{
		Cut(TEXT("is not known"));
		return false;
	}
	const TSharedRef<FInternetAddr> Target = Found.Results[0].Address;
	FSocket* const Made =
		Sockets->CreateSocket(NAME_Stream, TEXT("UerlBridge"), Target->GetProtocolType());
	bool bConnected = Made != nullptr && Made->SetNonBlocking(true) && Made->Connect(*Target);
	const double Deadline = FPlatformTime::Seconds() + ConnectS;
	while (bConnected && !Made->Wait(ESocketWaitConditions::WaitForWrite, BridgeSlice))
	{
		bConnected = !bStops && FPlatformTime::Seconds() < Deadline;
	}
	if (Made != nullptr)
	{
		Made->SetNoDelay(true);
	}
	FScopeLock Locked(&Lock);
	Socket = Made;
	if (!bConnected)
	{
		Cut(TEXT("does not answer"));
	}
	return bConnected;
}

void FUerlBridge::Cut(const FString& Why)
{
	FScopeLock Locked(&Lock);
	const FString Text = FString::Printf(
		TEXT("%s %s, expected `uerl-shm bridge` of a learner: start it, and check -UerlBridge="),
		*Address, *Why);
	uerl_bridge_cut(Bridge, TCHAR_TO_UTF8(*Text));
}

void FUerlBridge::Carry()
{
	bool bGoesOn = true;
	while (bGoesOn && !bStops)
	{
		Socket->Wait(ESocketWaitConditions::WaitForRead, BridgeSlice);
		{
			FScopeLock Locked(&Lock);
			bGoesOn = ReceiveAll() && uerl_bridge_tick(Bridge, NowNs()) == UERL_OK;
			SendSome();
		}
		Changed->Trigger();
	}
}

// Closed with bytes unread, TCP takes back what was sent last, such as a refusal.
void FUerlBridge::LetArrive()
{
	Socket->Shutdown(ESocketShutdownMode::Write);
	const double Deadline = FPlatformTime::Seconds() + LingerS;
	int32 NumRead = 0;
	while (
		FPlatformTime::Seconds() < Deadline && Socket->Recv(Input.GetData(), Input.Num(), NumRead))
	{
		Socket->Wait(ESocketWaitConditions::WaitForRead, BridgeSlice);
	}
}

// Under the lock. A socket of the engine that would block receives nothing, and is content.
bool FUerlBridge::ReceiveAll()
{
	int32 NumRead = 0;
	do
	{
		if (!Socket->Recv(Input.GetData(), Input.Num(), NumRead))
		{
			uerl_bridge_cut(Bridge, "the learner's end closed the connection, expected it to stay: "
									"does it speak TLS, or has it another token?");
			return false;
		}
		if (NumRead > 0 && uerl_bridge_feed(Bridge, Input.GetData(), NumRead, NowNs()) != UERL_OK)
		{
			return false;
		}
	} while (NumRead == Input.Num());
	return true;
}

// Under the lock. The engine's Send() fails where it would block, too: the bytes stay for later,
// and a connection that is gone is found when it is read.
void FUerlBridge::SendSome()
{
	while (Socket != nullptr)
	{
		if (NumOutput == 0)
		{
			NumOutput =
				static_cast<int32>(uerl_bridge_drain(Bridge, Output.GetData(), Output.Num()));
		}
		int32 NumSent = 0;
		if (NumOutput == 0 || !Socket->Send(Output.GetData(), NumOutput, NumSent) || NumSent <= 0)
		{
			return;
		}
		NumOutput -= NumSent;
		FMemory::Memmove(Output.GetData(), Output.GetData() + NumSent, NumOutput);
	}
}
