// ShimRender.h: a render thread, textures, captures and readbacks, as far as the plugin uses them.
//
// Every capture draws a pattern that says which tick of the world it shows. The GPU's copy is made
// when the readback is locked and ready, after a random time: whoever looks earlier sees an older
// picture.
#pragma once

#include "ShimEngine.h"
#include "ShimRender.generated.h"

class FRHICommandListImmediate;
enum class EImmediateFlushType { DispatchToRHIThread, FlushRHIThread };

class FRHITexture
{
  public:
    int32 Width = 0, Height = 0;
    int32 BytesPerPixel = 4;
    std::vector<uint32> Base; // the picture of tick 0
    int64 Tick = 0;           // that is shown
};
class FRHICommandListImmediate
{
  public:
    void ImmediateFlush(EImmediateFlushType Type);
};

class FRHIGPUTextureReadback
{
  public:
    explicit FRHIGPUTextureReadback(const FName &)
    {
    }
    void EnqueueCopy(FRHICommandListImmediate &List, FRHITexture *Texture);
    bool IsReady();
    void *Lock(int32 &OutRowPitchInPixels, int32 *OutBufferHeight = nullptr);
    void Unlock();

  private:
    FRHITexture Source; // what the GPU will have copied
    std::vector<uint8> Staging;
    int32 Width = 0, Height = 0, BytesPerPixel = 4, PitchInPixels = 0;
    std::chrono::steady_clock::time_point ReadyAt;
    bool bDispatched = false, bCopied = false;
    friend class FRHICommandListImmediate;
};

enum EPixelFormat { PF_Unknown, PF_B8G8R8A8, PF_R32_FLOAT };
enum ETextureRenderTargetFormat { RTF_R8, RTF_RGBA8, RTF_RGBA8_SRGB, RTF_R32f };

class FTextureRenderTargetResource
{
  public:
    FRHITexture *GetRenderTargetTexture()
    {
        return &Texture;
    }
    FRHITexture Texture;
};

UCLASS()
class UTextureRenderTarget2D : public UObject
{
    GENERATED_BODY()

  public:
    int32 SizeX = 0, SizeY = 0;
    float TargetGamma = 0.0f;
    void InitCustomFormat(uint32 X, uint32 Y, EPixelFormat Format, bool bForceLinearGamma);
    EPixelFormat GetFormat() const
    {
        return Format;
    }
    FTextureRenderTargetResource *GameThread_GetRenderTargetResource()
    {
        return &Resource;
    }
    void UpdateResourceImmediate(bool)
    {
    }

  private:
    FTextureRenderTargetResource Resource;
    EPixelFormat Format = PF_Unknown;
};

enum ESceneCaptureSource { SCS_SceneColorHDR, SCS_SceneDepth, SCS_FinalColorLDR };
struct FPostProcessSettings {
    void AddBlendable(UMaterialInterface *, float) {}
};
struct FEngineShowFlags {
    void SetAtmosphere(bool)
    {
    }
    void SetMotionBlur(bool)
    {
    }
    void SetTemporalAA(bool)
    {
    }
    void SetLighting(bool)
    {
    }
};

UCLASS()
class USceneCaptureComponent2D : public USceneComponent
{
    GENERATED_BODY()

  public:
    TObjectPtr<UTextureRenderTarget2D> TextureTarget;
    ESceneCaptureSource CaptureSource = SCS_FinalColorLDR;
    float FOVAngle = 90.0f;
    bool bCaptureEveryFrame = true;
    bool bCaptureOnMovement = true;
    bool bAlwaysPersistRenderingState = false;
    FEngineShowFlags ShowFlags;
    FPostProcessSettings PostProcessSettings;
    TArray<TObjectPtr<AActor>> HiddenActors;
    void CaptureScene();
    void AttachToComponent(USceneComponent *To, int)
    {
        SetupAttachment(To);
    }
};
struct FAttachmentTransformRules {
    static constexpr int SnapToTargetNotIncludingScale = 0;
};

bool IsInRenderingThread();
bool IsInGameThread();
void FlushRenderingCommands();
void ShimEnqueue(std::function<void(FRHICommandListImmediate &)> Command);
#define ENQUEUE_RENDER_COMMAND(Name) ShimEnqueue

namespace ENamedThreads
{
enum Type { ActualRenderingThread, GameThread, AnyBackgroundThreadNormalTask };
}
void AsyncTask(ENamedThreads::Type Thread, std::function<void()> Function);
FRHICommandListImmediate &GetImmediateCommandList_ForRenderCommand();

namespace UE::Tasks
{
void Launch(const TCHAR *Name, std::function<void()> Task);
}

template <typename F> void ParallelFor(int32 Count, F Body)
{
    std::atomic<int32> Next{0};
    const auto Work = [&] {
        for (int32 Index = Next++; Index < Count; Index = Next++)
            Body(Index);
    };
    std::thread Other(Work);
    Work();
    Other.join();
}
