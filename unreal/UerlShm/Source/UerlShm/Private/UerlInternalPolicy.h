// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UerlModelMetadata.h"

class UUerlAgentComponent;
namespace UE::NNE
{
	class IModelInstanceCPU;
}

/**
 * An exported policy, run by the engine's neural network interface (NNE) on the CPU.
 *
 * What it does to numbers before and after the network stands in the file: uerl_shm/torch.py.
 */
class FUerlInternalPolicy
{
public:
	/**
	 * Loads a model for an agent; null: OutProblem says what was found, expected, and the remedy.
	 *
	 * @param Path  Of the ONNX file; relative to the project's folder.
	 */
	static TSharedPtr<FUerlInternalPolicy> Load(
		const FString& Path, const UUerlAgentComponent& Agent, FString& OutProblem);

	/**
	 * Decides deterministically.
	 *
	 * @param Observations  The bytes of each sensor's row, in the order of the agent's sensors.
	 * @param OutActions    The bytes of each actuator's row, in the order of its actuators.
	 */
	bool Decide(const TArray<TArray<uint8>>& Observations, TArray<TArray<uint8>>& OutActions,
		FString& OutProblem);

	/** What the file says of itself. */
	const FUerlModelMetadata& GetMetadata() const
	{
		return Metadata;
	}

private:
	bool Match(const UUerlAgentComponent& Agent, FString& OutProblem);
	bool MakeInstance(TArrayView<const uint8> File, FString& OutProblem);
	bool CheckPorts(FString& OutProblem) const;

	FUerlModelMetadata Metadata;
	TSharedPtr<UE::NNE::IModelInstanceCPU> Instance;

	/** Of each of the model's arrays: the number of the agent's sensor or actuator. */
	TArray<int32> Sensors;
	TArray<int32> Actuators;

	TArray<TArray<float>> Inputs;
	TArray<float> Output;
};
