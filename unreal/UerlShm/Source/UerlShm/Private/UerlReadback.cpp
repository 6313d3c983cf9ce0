// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlReadback.h"

#include "Async/Async.h"
#include "Misc/ScopeLock.h"
#include "RHIGPUReadback.h"
#include "RenderingThread.h"
#include "Tasks/Task.h"
#include "TextureResource.h"
#include "UerlCommit.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

static constexpr float PollSeconds = 50e-6f;

FUerlPicture::FUerlPicture(int64 InStep, int64 NumBytes, const FUerlPictureRow& Row)
	: Step(InStep)
	, Waiting(Row)
	, bKeeps(NumBytes > 0)
{
	Kept.SetNumUninitialized(static_cast<int32>(NumBytes));
}

void FUerlPicture::Write(const FUerlPictureRow& Row) const
{
	FMemory::Memcpy(Row.Bytes.GetData(), Kept.GetData(), Row.Bytes.Num());
}

// The row is written before the lock is left, so that nobody is told of a picture that is not
// there.
void FUerlPicture::Arrive(TFunctionRef<void(uint8*)> Convert)
{
	FUerlPictureRow Row;
	{
		FScopeLock Lock(&Section);
		Row = Waiting;
		bArrived = true;
		if (bKeeps)
		{
			Convert(Kept.GetData());
			Write(Row);
		}
		else
		{
			Convert(Row.Bytes.GetData());
		}
	}
	if (Row.Step != nullptr)
	{
		*Row.Step = Step;
	}
	if (Row.Commit.IsValid())
	{
		Row.Commit->Finish();
	}
}

void FUerlPicture::Deliver(const FUerlPictureRow& Row)
{
	{
		FScopeLock Lock(&Section);
		if (!bArrived)
		{
			Waiting = Row;
			return;
		}
		Write(Row);
	}
	if (Row.Step != nullptr)
	{
		*Row.Step = Step;
	}
	Row.Commit->Finish();
}

FUerlReadback::FUerlReadback(
	EUerlPicture InPicture, int32 InWidth, int32 InHeight, float InMaxDistance)
	: Picture(InPicture)
	, Width(InWidth)
	, Height(InHeight)
	, MaxDistance(InMaxDistance)
{
}

FUerlReadback::~FUerlReadback() = default;

int64 FUerlReadback::NumBytes() const
{
	const int64 BytesPerPixel = Picture == EUerlPicture::Color	 ? 3
								: Picture == EUerlPicture::Depth ? 4
																 : 1;
	return BytesPerPixel * Width * Height;
}

// Each keeps one staging texture, so they are used again.
FUerlReadback::FFlight FUerlReadback::TakeFlight()
{
	FScopeLock Lock(&Section);
	if (Idle.Num() == 0)
	{
		return MakeShared<FRHIGPUTextureReadback>(TEXT("UerlReadback"));
	}
	const FFlight Flight = Idle.Last();
	Idle.RemoveAt(Idle.Num() - 1);
	return Flight;
}

void FUerlReadback::Start(
	FTextureRenderTargetResource& Resource, const TSharedRef<FUerlPicture>& Target)
{
	const TSharedRef<FUerlReadback> This = AsShared();
	const FFlight Flight = TakeFlight();
	FTextureRenderTargetResource* const Source = &Resource;
	ENQUEUE_RENDER_COMMAND(UerlReadback)
	(
		[This, Flight, Source, Target](FRHICommandListImmediate& List)
		{
			Flight->EnqueueCopy(List, Source->GetRenderTargetTexture());
			// Otherwise the copy sits in the list until the end of the frame.
			List.ImmediateFlush(EImmediateFlushType::DispatchToRHIThread);
			UE::Tasks::Launch(TEXT("UerlReadback"),
				[This, Flight, Target]
				{
					while (!Flight->IsReady())
					{
						FPlatformProcess::SleepNoStats(PollSeconds);
					}
					AsyncTask(ENamedThreads::ActualRenderingThread,
						[This, Flight, Target] { This->Land(Flight, Target); });
				});
		});
}

void FUerlReadback::Land(const FFlight& Flight, const TSharedRef<FUerlPicture>& Target)
{
	int32 RowPitchInPixels = 0;
	const void* const Pixels = Flight->Lock(RowPitchInPixels);
	Target->Arrive([&](uint8* Row) { Convert(Pixels, RowPitchInPixels, Row); });
	Flight->Unlock();
	FScopeLock Lock(&Section);
	Idle.Add(Flight);
}

void FUerlReadback::Convert(const void* Pixels, int32 RowPitchInPixels, uint8* Row) const
{
	if (Picture != EUerlPicture::Depth)
	{
		const uerl_pixels Format =
			Picture == EUerlPicture::Color ? UERL_PIXELS_RGB : UERL_PIXELS_GRAY;
		uerl_pixels_from_bgra(
			Row, Format, Pixels, Width, Height, static_cast<uint64>(RowPitchInPixels) * 4);
		return;
	}
	for (int32 Y = 0; Y < Height; Y++)
	{
		const float* const Source =
			static_cast<const float*>(Pixels) + static_cast<int64>(Y) * RowPitchInPixels;
		float* const Target = reinterpret_cast<float*>(Row) + static_cast<int64>(Y) * Width;
		for (int32 X = 0; X < Width; X++)
		{
			Target[X] = FMath::Clamp(Source[X], 0.0f, MaxDistance);
		}
	}
}
