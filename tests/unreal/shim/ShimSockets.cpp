// ShimSockets.cpp: sockets as SocketsBSD.cpp has them, for IPv4.
#include "ShimSockets.h"

#include <cerrno>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

FGuid FGuid::NewGuid()
{
    FGuid Made;
    if (getrandom(&Made, sizeof Made, 0) != sizeof Made)
        ShimFatal("no random bytes");
    return Made;
}

FRunnableThread *FRunnableThread::Create(FRunnable *Runnable, const TCHAR *)
{
    auto *Made = new FRunnableThread;
    Made->Thread = std::thread([Runnable] {
        if (Runnable->Init())
            Runnable->Run();
    });
    return Made;
}

ISocketSubsystem *ISocketSubsystem::Get(const FName &)
{
    static ISocketSubsystem Sockets;
    return &Sockets;
}

FAddressInfoResult ISocketSubsystem::GetAddressInfo(const TCHAR *HostName, const TCHAR *ServiceName,
                                                    EAddressInfoFlags, const FName, ESocketType)
{
    FAddressInfoResult Found;
    addrinfo Hints = {}, *List = nullptr;
    Hints.ai_family = AF_INET;
    Hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(ShimToUtf8(HostName).c_str(), ShimToUtf8(ServiceName).c_str(), &Hints, &List))
        return Found;
    const auto *First = reinterpret_cast<const sockaddr_in *>(List->ai_addr);
    const TSharedRef<FInternetAddr> Address = MakeShared<FInternetAddr>();
    Address->Host = First->sin_addr.s_addr;
    Address->Port = First->sin_port;
    freeaddrinfo(List);
    Found.ReturnCode = SE_NO_ERROR;
    Found.Results.Add(FAddressInfoResultData{Address});
    return Found;
}

FSocket *ISocketSubsystem::CreateSocket(const FName &, const FString &, const FName &)
{
    auto *Made = new FSocket;
    Made->File = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return Made;
}

void ISocketSubsystem::DestroySocket(FSocket *Socket)
{
    Socket->Close();
    delete Socket;
}

bool FSocket::Connect(const FInternetAddr &Addr)
{
    sockaddr_in Target = {};
    Target.sin_family = AF_INET;
    Target.sin_addr.s_addr = Addr.Host;
    Target.sin_port = Addr.Port;
    return connect(File, reinterpret_cast<sockaddr *>(&Target), sizeof Target) == 0 ||
           errno == EINPROGRESS || errno == EWOULDBLOCK;
}

bool FSocket::Shutdown(ESocketShutdownMode Mode)
{
    const int How[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
    return shutdown(File, How[static_cast<int>(Mode)]) == 0;
}

bool FSocket::Close()
{
    const bool bGood = File >= 0 && close(File) == 0;
    File = -1;
    return bGood;
}

bool FSocket::Send(const uint8 *Data, int32 Count, int32 &BytesSent)
{
    BytesSent = static_cast<int32>(send(File, Data, static_cast<size_t>(Count), MSG_NOSIGNAL));
    return BytesSent >= 0;
}

bool FSocket::Recv(uint8 *Data, int32 BufferSize, int32 &BytesRead)
{
    BytesRead = static_cast<int32>(recv(File, Data, static_cast<size_t>(BufferSize), 0));
    if (BytesRead < 0 && (errno == EWOULDBLOCK || errno == EAGAIN)) {
        BytesRead = 0;
        return true;
    }
    return BytesRead > 0; // 0: the other end has closed a stream
}

bool FSocket::Wait(ESocketWaitConditions::Type Condition, FTimespan WaitTime)
{
    const bool bReads = Condition != ESocketWaitConditions::WaitForWrite;
    const bool bWrites = Condition != ESocketWaitConditions::WaitForRead;
    pollfd Asked = {File, static_cast<short>((bReads ? POLLIN : 0) | (bWrites ? POLLOUT : 0)), 0};
    return poll(&Asked, 1, static_cast<int>(WaitTime.GetTicks() / 10000)) > 0;
}

bool FSocket::SetNonBlocking(bool bIsNonBlocking)
{
    return fcntl(File, F_SETFL, bIsNonBlocking ? O_NONBLOCK : 0) == 0;
}

bool FSocket::SetNoDelay(bool bIsNoDelay)
{
    const int Value = bIsNoDelay;
    return setsockopt(File, IPPROTO_TCP, TCP_NODELAY, &Value, sizeof Value) == 0;
}
