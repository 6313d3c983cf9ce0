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

// The picture of tick `Tick`, with padding behind each row: the test computes the same.
void Draw(const FRHITexture &Texture, int32 PitchInPixels, uint8 *Target)
{
    const auto Tick = static_cast<uint64>(Texture.Tick);
    const auto Key = static_cast<uint32>((Tick & 0xff) | (Tick & 0xff00) | (Tick & 0xff0000));
    for (int32 Y = 0; Y < Texture.Height; Y++) {
        const uint32 *From = Texture.Base.data() + static_cast<std::size_t>(Y) * Texture.Width;
        auto *To = reinterpret_cast<uint32 *>(Target) + static_cast<std::size_t>(Y) * PitchInPixels;
        for (int32 X = 0; X < Texture.Width; X++)
            To[X] = From[X] ^ Key;
    }
}

// The picture of tick 0: blue, green, red, alpha.
std::vector<uint32> DrawBase(int32 Width, int32 Height)
{
    std::vector<uint32> Base;
    for (int32 Y = 0; Y < Height; Y++)
        for (int32 X = 0; X < Width; X++) {
            const int32 Value = X * 7 + Y * 13;
            const auto Byte = [Value](int32 More) {
                return static_cast<uint32>(static_cast<uint8>(Value + More));
            };
            Base.push_back(Byte(202) | Byte(101) << 8 | Byte(0) << 16 | 0xff000000u);
        }
    return Base;
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
    if (Source.Base.size() != Texture->Base.size())
        Source = *Texture;
    Source.Tick = Texture->Tick;
    // A mapping need not hold the padding behind the last row. It has what was there before.
    Staging.resize(static_cast<std::size_t>(PitchInPixels * (Height - 1) + Width) * BytesPerPixel);
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
    if (!bCopied && Source.BytesPerPixel == 4 && !Source.Base.empty())
        Draw(Source, PitchInPixels, Staging.data());
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
    Resource.Texture.Base = DrawBase(SizeX, SizeY);
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
        Texture->Tick = Tick;
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
