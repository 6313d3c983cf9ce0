// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlArray.h"

class FJsonObject;

/** What becomes of a network's numbers, so that they are an action. */
enum class EUerlTransform : uint8
{
	/** Kept between Low and High. */
	Clip,
	/** -1 and 1 stand for Low and High; kept between. */
	Unit,
	/** The choice whose number is the greatest. */
	Argmax,
};

/** An array that a model reads or writes. */
struct FUerlModelArray
{
	FString Name;

	/** Type, kind, shape, choices and bounds. */
	FUerlArray Array;

	/** Of an observation: its values are multiplied by this. */
	double Scale = 1.0;

	/** Of an action. */
	EUerlTransform Transform = EUerlTransform::Clip;

	/** How many numbers the network has for an action. */
	int32 NumNumbers() const;
};

/** What an ONNX file of uerl_shm.torch.export_onnx() says of itself: its entry "uerl_shm". */
struct FUerlModelMetadata
{
	/** In the order of the network's inputs. */
	TArray<FUerlModelArray> Observations;

	/** In the order of the numbers of its output. */
	TArray<FUerlModelArray> Actions;

	/** The learner's "engine" object, with "inference"; null: it had none. */
	TSharedPtr<FJsonObject> Engine;

	/**
	 * Reads it.
	 *
	 * @param File        The bytes of the file.
	 * @param OutProblem  What was found and what was expected.
	 */
	static bool Read(TArrayView<const uint8> File, FUerlModelMetadata& Out, FString& OutProblem);
};
