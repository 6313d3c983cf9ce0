// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

struct FUerlArray;

/** Between the bytes of a row and numbers. */
namespace UerlValues
{
	/** The values of a row; of another length than the array: empty. */
	TArray<float> Read(const FUerlArray& Array, TArrayView<const uint8> Row);

	/**
	 * Writes a row.
	 *
	 * Whole numbers are rounded and kept within what the array allows; what is not finite becomes
	 * 0; of too few values the rest are zeros, of too many the rest are ignored.
	 */
	void Write(const FUerlArray& Array, TArrayView<const float> Values, TArrayView<uint8> Row);
} // namespace UerlValues
