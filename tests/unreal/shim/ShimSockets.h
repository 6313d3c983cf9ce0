// ShimSockets.h: the engine's sockets and threads over those of the system, with the signatures and
// the manners of FSocketBSD: Recv() of nothing yet is true, Send() that would block is false.
#pragma once

#include <thread>

#include "ShimCore.h"

struct FGuid {
    uint32 A = 0, B = 0, C = 0, D = 0;
    static FGuid NewGuid();
};

class FRunnable
{
  public:
    virtual ~FRunnable() = default;
    virtual bool Init()
    {
        return true;
    }
    virtual uint32 Run() = 0;
    virtual void Stop()
    {
    }
};
class FRunnableThread
{
  public:
    static FRunnableThread *Create(FRunnable *Runnable, const TCHAR *Name);
    void WaitForCompletion()
    {
        if (Thread.joinable())
            Thread.join();
    }
    ~FRunnableThread()
    {
        WaitForCompletion();
    }

  private:
    std::thread Thread;
};

enum ESocketErrors { SE_NO_ERROR, SE_EWOULDBLOCK, SE_HOST_NOT_FOUND };
enum ESocketType { SOCKTYPE_Unknown, SOCKTYPE_Datagram, SOCKTYPE_Streaming };
enum class EAddressInfoFlags { Default };
namespace ESocketWaitConditions
{
enum Type { WaitForRead, WaitForWrite, WaitForReadOrWrite };
}
enum class ESocketShutdownMode { Read, Write, ReadWrite };
inline const FName NAME_Stream(u"Stream");

class FInternetAddr
{
  public:
    FName GetProtocolType() const
    {
        return FName(u"IPv4");
    }
    uint32 Host = 0; // both in network order
    uint16 Port = 0;
};
struct FAddressInfoResultData {
    TSharedRef<FInternetAddr> Address;
};
struct FAddressInfoResult {
    ESocketErrors ReturnCode = SE_HOST_NOT_FOUND;
    TArray<FAddressInfoResultData> Results;
};

class FSocket
{
  public:
    bool Connect(const FInternetAddr &Addr);
    bool Shutdown(ESocketShutdownMode Mode);
    bool Close();
    bool Send(const uint8 *Data, int32 Count, int32 &BytesSent);
    bool Recv(uint8 *Data, int32 BufferSize, int32 &BytesRead);
    bool Wait(ESocketWaitConditions::Type Condition, FTimespan WaitTime);
    bool SetNonBlocking(bool bIsNonBlocking = true);
    bool SetNoDelay(bool bIsNoDelay = true);
    int File = -1;
};

#define PLATFORM_SOCKETSUBSYSTEM FName(u"Unix")
class ISocketSubsystem
{
  public:
    static ISocketSubsystem *Get(const FName &SubsystemName = NAME_None);
    FAddressInfoResult GetAddressInfo(const TCHAR *HostName, const TCHAR *ServiceName = nullptr,
                                      EAddressInfoFlags QueryFlags = EAddressInfoFlags::Default,
                                      const FName ProtocolTypeName = NAME_None,
                                      ESocketType SocketType = ESocketType::SOCKTYPE_Unknown);
    FSocket *CreateSocket(const FName &SocketType, const FString &Description,
                          const FName &ProtocolName);
    void DestroySocket(FSocket *Socket);
};
