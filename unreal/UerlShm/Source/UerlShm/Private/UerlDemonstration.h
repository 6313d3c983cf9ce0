// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Serialization/Archive.h"

class UUerlAgentComponent;

/**
 * A file of one agent's steps, in order, that NumPy reads (docs/howto/deploy_policy.md).
 *
 *   offset      what
 *   0           "UERLDEMO"
 *   8           length of the header in bytes: uint64, little-endian
 *   16          the header: JSON in UTF-8; "dtype" is what numpy.dtype() takes
 *   16 + length one record for each step, without gaps
 *
 * An episode of T steps has T + 1 records: T with an observation, the action that followed it and
 * what that brought; then one whose "last" is 1, with the last observation and nothing else.
 */
class FUerlDemonstration
{
public:
	/**
	 * Begins a file; null: OutProblem says why.
	 *
	 * @param Path  Of a file that does not exist; relative to the project's folder.
	 */
	static TSharedPtr<FUerlDemonstration> Open(
		const FString& Path, const UUerlAgentComponent& Agent, FString& OutProblem);

	/** Writes a record: rows as of FUerlDemonstration's Open(), reward and end of the agent. */
	bool Write(const UUerlAgentComponent& Agent, const TArray<TArray<uint8>>& Observed,
		const TArray<TArray<uint8>>& Taken, bool bLast, FString& OutProblem);

private:
	TUniquePtr<FArchive> File;
	FString Path;
	int64 Episode = 0;
	int64 Step = 0;
};
