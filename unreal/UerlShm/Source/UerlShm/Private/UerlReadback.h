// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "HAL/CriticalSection.h"
#include "UerlCamera.h"

class FRHIGPUTextureReadback;
class FTextureRenderTargetResource;
class FUerlCommit;

/** Where a picture goes once it is there. */
struct FUerlPictureRow
{
	/** Of the learner; empty: nobody wants it yet. */
	TArrayView<uint8> Bytes;

	/** Where the number of the step that drew it is written; null: nobody asks. */
	int64* Step = nullptr;

	/** The result that waits for it. */
	TSharedPtr<FUerlCommit> Commit;
};

/** One picture on its way from the GPU, and whoever waits for it. */
class FUerlPicture
{
public:
	FUerlPicture(int64 InStep, int64 NumBytes, const FUerlPictureRow& Row);

	/** Called by the render thread with the GPU's memory: writes the row, and finishes its part of
	 * the result. */
	void Arrive(TFunctionRef<void(uint8*)> Convert);

	/** Writes a row as soon as the picture is there, also if it is already. */
	void Deliver(const FUerlPictureRow& Row);

private:
	void Write(const FUerlPictureRow& Row) const;

	FCriticalSection Section;
	const int64 Step;
	TArray<uint8> Kept;
	FUerlPictureRow Waiting;
	bool bArrived = false;
	bool bKeeps = false;
};

/** Brings a render target's pixels to the CPU without making any thread wait for the GPU. */
class FUerlReadback : public TSharedFromThis<FUerlReadback>
{
public:
	FUerlReadback(EUerlPicture Picture, int32 Width, int32 Height, float MaxDistance);
	~FUerlReadback();

	/** From the game thread, after the capture was asked for: its pixels will arrive at Target. */
	void Start(FTextureRenderTargetResource& Resource, const TSharedRef<FUerlPicture>& Target);

	/** Bytes of a row. */
	int64 NumBytes() const;

private:
	using FFlight = TSharedPtr<FRHIGPUTextureReadback>;

	FFlight TakeFlight();
	void Land(const FFlight& Flight, const TSharedRef<FUerlPicture>& Target);
	void Convert(const void* Pixels, int32 RowPitchInPixels, uint8* Row) const;

	const EUerlPicture Picture;
	const int32 Width;
	const int32 Height;
	const float MaxDistance;
	FCriticalSection Section;
	TArray<FFlight> Idle;
};
