// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "UObject/Object.h"
#include "UerlArray.h"
#include "UerlPart.generated.h"

class AActor;
class APlayerController;
class FUerlCommit;
class FUerlSettings;
class UUerlAgentComponent;

/** Whether an agent's episode goes on. */
UENUM(BlueprintType)
enum class EUerlEnd : uint8
{
	GoesOn,
	/** The task is over: nothing follows. */
	Terminated,
	/** The episode is cut off: more would follow. */
	Truncated,
};

/** What a reset brings. */
USTRUCT(BlueprintType)
struct UERLSHM_API FUerlReset
{
	GENERATED_BODY()

	/** Whether the learner gave a seed; else go on with the generator. */
	UPROPERTY(BlueprintReadOnly, Category = "UerlShm")
	bool bHasSeed = false;

	/** The seed that the learner gave. */
	UPROPERTY(BlueprintReadOnly, Category = "UerlShm")
	int64 Seed = 0;

	/** Numbers by name, for curricula. */
	UPROPERTY(BlueprintReadOnly, Category = "UerlShm")
	TMap<FName, double> Parameters;

	/** The options of the reset, as JSON; empty without any. */
	UPROPERTY(BlueprintReadOnly, Category = "UerlShm")
	FString Options;
};

/** One observation that is being written. */
struct FUerlObservation
{
	/** Its number, counted from when the process attached. */
	int64 Step;

	/** Whether it is the first of an episode. */
	bool bFirst;

	/** Whether it is an episode's last, in SAME_STEP mode; another one follows in the same command.
	 */
	bool bFinal;

	/** The result that it is a part of. */
	TSharedRef<FUerlCommit> Commit;

	/** Where a picture's step is written, when it has been drawn; null: nobody asks. */
	int64* PictureStep = nullptr;
};

/** A sensor, actuator, rewarder, terminator or info of an agent. */
UCLASS(Abstract, Blueprintable, EditInlineNew, DefaultToInstanced, CollapseCategories)
class UERLSHM_API UUerlPart : public UObject
{
	GENERATED_BODY()

public:
	/** Name of its array; empty: the name of its kind. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	FName PartName;

	/** What configurations call this kind, such as "ray_fan"; none: only the class's own name. */
	virtual FName GetKind() const
	{
		return NAME_None;
	}

	/** PartName, or the name of its kind. */
	FName GetPartName() const;

	/** Reads a configuration's keys. */
	virtual void Configure(FUerlSettings& Settings);

	/**
	 * Looks for what it needs of its actor; called once, after BeginPlay and before everything
	 * else.
	 *
	 * @param OutProblem  What was found, what was expected and the remedy.
	 */
	virtual bool Attach(FString& OutProblem);

	/** A new episode begins; the actor has been put where it belongs. */
	UFUNCTION(BlueprintNativeEvent, Category = "UerlShm")
	void Reset(const FUerlReset& Reset);

	/** The world has been ticked once. */
	virtual void AfterTick(float DeltaSeconds)
	{
	}

	/** The component that this is a part of. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	UUerlAgentComponent* GetAgent() const;

	/** The actor that is the agent. */
	UFUNCTION(BlueprintPure, Category = "UerlShm")
	AActor* GetActor() const;

protected:
	/** The component that is named, or the actor's root for none; null: OutProblem says why. */
	class USceneComponent* FindSceneComponent(FName Name, FString& OutProblem) const;

	/** The actor of the world that is named; null: OutProblem says why. */
	AActor* FindActor(FName Name, FString& OutProblem) const;
};

/** Writes one observation array. */
UCLASS(Abstract)
class UERLSHM_API UUerlSensor : public UUerlPart
{
	GENERATED_BODY()

public:
	/** The array's type and shape; the same for as long as the sensor lives. */
	virtual FUerlArray Describe() const PURE_VIRTUAL(UUerlSensor::Describe, return FUerlArray(););

	/** Writes the row; its length is that of Describe(). */
	virtual void Observe(TArrayView<uint8> Row) PURE_VIRTUAL(UUerlSensor::Observe, );

	/**
	 * Writes the row, or takes a part of the commit and writes it later, from any thread.
	 *
	 * The row may be written until that part is finished.
	 */
	virtual void BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation)
	{
		if (Observation.PictureStep != nullptr)
		{
			*Observation.PictureStep = Observation.Step;
		}
		Observe(Row);
	}

	/** Whether it is a picture: an info array NAME_step then says which step has drawn it. */
	virtual bool IsPicture() const
	{
		return false;
	}
};

/** Reads one action array. */
UCLASS(Abstract)
class UERLSHM_API UUerlActuator : public UUerlPart
{
	GENERATED_BODY()

public:
	/** The array's type and shape. */
	virtual FUerlArray Describe() const PURE_VIRTUAL(UUerlActuator::Describe, return FUerlArray(););

	/** Keeps a row for those who watch, and applies it. */
	void Apply(TArrayView<const uint8> Row);

	/** The row that was applied last; empty: none yet. */
	const TArray<uint8>& GetLastAction() const
	{
		return LastAction;
	}

	/** Applies a row, before the world is ticked. */
	virtual void Act(TArrayView<const uint8> Row) PURE_VIRTUAL(UUerlActuator::Act, );

	/** What the keys that a person holds mean, of Uerl.HumanStart; empty: nothing. */
	virtual TArray<float> ReadKeys(const APlayerController& Player) const
	{
		return TArray<float>();
	}

private:
	TArray<uint8> LastAction;
};

/** Adds to the reward of each step. */
UCLASS(Abstract)
class UERLSHM_API UUerlRewarder : public UUerlPart
{
	GENERATED_BODY()

public:
	/** The reward is multiplied by this. */
	UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "UerlShm")
	float Weight = 1.0f;

	virtual void Configure(FUerlSettings& Settings) override;

	/** The reward of the tick that has just ended. */
	UFUNCTION(BlueprintNativeEvent, Category = "UerlShm")
	float GetReward();
};

/** Ends episodes. */
UCLASS(Abstract)
class UERLSHM_API UUerlTerminator : public UUerlPart
{
	GENERATED_BODY()

public:
	/** Whether the tick that has just ended was the episode's last. */
	UFUNCTION(BlueprintNativeEvent, Category = "UerlShm")
	EUerlEnd GetEnd();
};

/** Writes one array beside the observation: for people and statistics, not for the policy. */
UCLASS(Abstract)
class UERLSHM_API UUerlInfo : public UUerlPart
{
	GENERATED_BODY()

public:
	/** The array's type and shape. */
	virtual FUerlArray Describe() const PURE_VIRTUAL(UUerlInfo::Describe, return FUerlArray(););

	/** Writes the row. */
	virtual void Observe(TArrayView<uint8> Row) PURE_VIRTUAL(UUerlInfo::Observe, );

	/** As of a sensor. */
	virtual void BeginObserve(TArrayView<uint8> Row, const FUerlObservation& Observation)
	{
		Observe(Row);
	}
};
