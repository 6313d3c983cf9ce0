// ShimRender.cpp: the render thread, and a GPU that is late.
#include "ShimRender.h"

#include <deque>
#include <random>

#include "ShimHost.h"

namespace
{

// One thread that runs what it is given, in order.
class FQueue
{
  public:
    FQueue() : Thread([this] { Run(); })
    {
    }
    ~FQueue()
    {
        Add(nullptr);
        Thread.join();
    }
    void Add(std::function<void()> Task)
    {
        {
            const std::lock_guard Lock(Mutex);
            Tasks.push_back(std::move(Task));
        }
        Changed.notify_one();
    }
    bool IsThis() const
    {
        return std::this_thread::get_id() == Thread.get_id();
    }

  private:
    void Run()
    {
        for (;;) {
            std::unique_lock Lock(Mutex);
            Changed.wait(Lock, [this] { return !Tasks.empty(); });
            const std::function<void()> Task = std::move(Tasks.front());
            Tasks.pop_front();
            Lock.unlock();
            if (!Task)
                return;
            Task();
        }
    }
    std::mutex Mutex;
    std::condition_variable Changed;
    std::deque<std::function<void()>> Tasks;
    std::thread Thread;
};

FQueue &RenderQueue()
{
    static auto *Queue = new FQueue; // outlives whatever still uses it at exit
    return *Queue;
}
FQueue &TaskQueue()
{
    static auto *Queue = new FQueue;
    return *Queue;
}

FRHICommandListImmediate Immediate;
std::vector<FRHIGPUTextureReadback *> Undispatched;
const std::thread::id GameThread = std::this_thread::get_id();

// The picture of tick `Tick`: the test computes the same.
void Draw(FRHITexture &Texture, int64 Tick)
{
    if (Texture.BytesPerPixel != 4)
        return;
    const auto Key = static_cast<uint64>(Tick);
    const uint8 Blue = static_cast<uint8>(Key), Green = static_cast<uint8>(Key >> 8),
                Red = static_cast<uint8>(Key >> 16);
    uint8 *Pixel = Texture.Pixels.data();
    for (int32 Y = 0; Y < Texture.Height; Y++)
        for (int32 X = 0; X < Texture.Width; X++, Pixel += 4) {
            const int32 Base = X * 7 + Y * 13;
            Pixel[0] = static_cast<uint8>(Base + 202) ^ Blue;
            Pixel[1] = static_cast<uint8>(Base + 101) ^ Green;
            Pixel[2] = static_cast<uint8>(Base) ^ Red;
            Pixel[3] = 255;
        }
}

} // namespace

void FRHICommandListImmediate::ImmediateFlush(EImmediateFlushType)
{
    check(IsInRenderingThread());
    for (FRHIGPUTextureReadback *Readback : Undispatched)
        Readback->bDispatched = true;
    Undispatched.clear();
}

void FRHIGPUTextureReadback::EnqueueCopy(FRHICommandListImmediate &, FRHITexture *Texture)
{
    check(IsInRenderingThread());
    static std::mt19937 Random(20261121);
    constexpr int32 Alignment = 256; // of a row, in bytes, as D3D12 has it
    Width = Texture->Width;
    Height = Texture->Height;
    BytesPerPixel = Texture->BytesPerPixel;
    PitchInPixels = (Width * BytesPerPixel + Alignment - 1) / Alignment * Alignment / BytesPerPixel;
    Source = Texture->Pixels;
    // A mapping need not hold the padding behind the last row.
    Staging.assign(static_cast<std::size_t>(PitchInPixels * (Height - 1) + Width) * BytesPerPixel,
                   0xCD);
    const int MaxUs = ShimHost::Get().MaxReadbackUs;
    const int DelayUs =
        MaxUs == 0 ? 0 : static_cast<int>(Random() % static_cast<unsigned>(MaxUs + 1));
    ReadyAt = std::chrono::steady_clock::now() + std::chrono::microseconds(DelayUs);
    bDispatched = bCopied = false;
    Undispatched.push_back(this); // it sits there until somebody dispatches
}

bool FRHIGPUTextureReadback::IsReady()
{
    return bDispatched && std::chrono::steady_clock::now() >= ReadyAt;
}

void *FRHIGPUTextureReadback::Lock(int32 &OutRowPitchInPixels, int32 *OutBufferHeight)
{
    check(IsInRenderingThread());
    if (!IsReady()) {
        ShimHost::Get().NumStalls++;
        bDispatched = true;
        std::this_thread::sleep_until(ReadyAt);
    }
    const std::size_t Bytes = static_cast<std::size_t>(Width) * BytesPerPixel;
    for (int32 Y = 0; Y < Height && !bCopied; Y++)
        std::memcpy(Staging.data() + static_cast<std::size_t>(Y) * PitchInPixels * BytesPerPixel,
                    Source.data() + Y * Bytes, Bytes);
    bCopied = true;
    OutRowPitchInPixels = PitchInPixels;
    if (OutBufferHeight != nullptr)
        *OutBufferHeight = Height;
    return Staging.data();
}

void FRHIGPUTextureReadback::Unlock()
{
    check(IsInRenderingThread());
}

void UTextureRenderTarget2D::InitCustomFormat(uint32 X, uint32 Y, EPixelFormat InFormat, bool)
{
    SizeX = static_cast<int32>(X);
    SizeY = static_cast<int32>(Y);
    Format = InFormat;
    Resource.Texture.Width = SizeX;
    Resource.Texture.Height = SizeY;
    Resource.Texture.Pixels.assign(static_cast<std::size_t>(X) * Y * 4, 0);
}

// Nothing is drawn under -nullrhi: the target keeps what it had.
void USceneCaptureComponent2D::CaptureScene()
{
    check(IsInGameThread() && TextureTarget != nullptr);
    if (!FApp::CanEverRender())
        return;
    FRHITexture *Texture =
        TextureTarget->GameThread_GetRenderTargetResource()->GetRenderTargetTexture();
    ShimEnqueue([Texture, Tick = GetWorld()->NumTicks](FRHICommandListImmediate &) {
        Draw(*Texture, Tick);
    });
}

bool IsInRenderingThread()
{
    return RenderQueue().IsThis();
}
bool IsInGameThread()
{
    return std::this_thread::get_id() == GameThread;
}
void ShimEnqueue(std::function<void(FRHICommandListImmediate &)> Command)
{
    RenderQueue().Add([Command = std::move(Command)] { Command(Immediate); });
}
FRHICommandListImmediate &GetImmediateCommandList_ForRenderCommand()
{
    check(IsInRenderingThread());
    return Immediate;
}
void FlushRenderingCommands()
{
    check(IsInGameThread());
    FEvent Done;
    RenderQueue().Add([&Done] { Done.Trigger(); });
    while (!Done.Wait(FTimespan::FromMilliseconds(1000.0))) {
    }
}
void AsyncTask(ENamedThreads::Type Thread, std::function<void()> Function)
{
    check(Thread == ENamedThreads::ActualRenderingThread);
    RenderQueue().Add(std::move(Function));
}
void UE::Tasks::Launch(const TCHAR *, std::function<void()> Task)
{
    TaskQueue().Add(std::move(Task));
}
