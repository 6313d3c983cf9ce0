// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlRows.h"

#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlCommit.h"
#include "UerlPolicyComponent.h"

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/uerl_shm.h"
THIRD_PARTY_INCLUDES_END

/** Number of the observation, counted from when the process attached: what pictures are compared
 * with. */
static const TCHAR* const StepName = TEXT("info/step");

static FUerlArray StepArray()
{
	FUerlArray Array;
	Array.Type = EUerlType::Int64;
	return Array;
}

static FString PictureStepName(const UUerlSensor& Sensor)
{
	return TEXT("info/") + Sensor.GetPartName().ToString() + TEXT("_step");
}

static FString TakenName(const UUerlActuator& Actuator)
{
	return TEXT("info/") + Actuator.GetPartName().ToString() + TEXT("_taken");
}

template <typename PartType>
static void AddArrays(const TCHAR* Prefix, const TArray<TObjectPtr<PartType>>& Parts,
	TArray<TPair<FString, FUerlArray>>& Arrays)
{
	for (const PartType* const Part : Parts)
	{
		Arrays.Emplace(Prefix + Part->GetPartName().ToString(), Part->Describe());
	}
}

TArray<TPair<FString, FUerlArray>> FUerlRows::ListArrays(const UUerlAgentComponent& Agent)
{
	TArray<TPair<FString, FUerlArray>> Arrays;
	AddArrays(TEXT("observation/"), Agent.Sensors, Arrays);
	AddArrays(TEXT("action/"), Agent.Actuators, Arrays);
	AddArrays(TEXT("info/"), Agent.Infos, Arrays);
	for (const UUerlSensor* const Sensor : Agent.Sensors)
	{
		if (Sensor->IsPicture())
		{
			Arrays.Emplace(PictureStepName(*Sensor), StepArray());
		}
	}
	if (UUerlPolicyComponent::Find(Agent) != nullptr)
	{
		for (const UUerlActuator* const Actuator : Agent.Actuators)
		{
			Arrays.Emplace(TakenName(*Actuator), Actuator->Describe());
		}
	}
	Arrays.Emplace(StepName, StepArray());
	return Arrays;
}

static uint32 GetRole(const FString& Name, bool bFinal)
{
	if (Name.StartsWith(TEXT("observation/")))
	{
		return bFinal ? UERL_ROLE_FINAL_OBSERVATION : UERL_ROLE_OBSERVATION;
	}
	if (Name.StartsWith(TEXT("info/")))
	{
		return bFinal ? UERL_ROLE_FINAL_INFO : UERL_ROLE_INFO;
	}
	return UERL_ROLE_ACTION;
}

int32 FUerlRows::Find(const FString& Group, const FString& Name, uint32 Role,
	const FUerlArray& Array, FString& OutProblem) const
{
	uint64 Shape[UERL_MAX_DIMS] = {};
	for (int32 Axis = 0; Axis < Array.Shape.Num(); Axis++)
	{
		Shape[Axis] = Array.Shape[Axis];
	}
	const int32 Index = uerl_simulator_bind(Simulator, TCHAR_TO_UTF8(*Group), TCHAR_TO_UTF8(*Name),
		Role, Array.GetDtype(), Array.Shape.Num(), Shape);
	if (Index < 0)
	{
		OutProblem = UTF8_TO_TCHAR(uerl_last_error());
	}
	return Index;
}

FUerlRows::FBound FUerlRows::BindArray(const FString& Group, const FString& Name,
	const FUerlArray& Array, bool bRequired, TArray<FString>& OutProblems) const
{
	FBound Bound;
	FString Problem;
	Bound.NumBytes = Array.NumBytes();
	if (Array.Shape.Num() > UERL_MAX_DIMS)
	{
		OutProblems.Add(FString::Printf(TEXT("array %s has %d axes, expected at most %d"), *Name,
			Array.Shape.Num(), UERL_MAX_DIMS));
		return Bound;
	}
	const int32 Found = Find(Group, Name, GetRole(Name, false), Array, Problem);
	if (Found < 0 && (bRequired || Found != UERL_E_NOT_FOUND))
	{
		OutProblems.Add(Problem);
	}
	Bound.Array = FMath::Max(Found, static_cast<int32>(INDEX_NONE));
	const bool bHasFinal = uerl_simulator_autoreset_mode(Simulator) == UERL_AUTORESET_SAME_STEP &&
						   !Name.StartsWith(TEXT("action/"));
	if (bHasFinal && Bound.Array >= 0)
	{
		Bound.FinalArray =
			FMath::Max(Find(Group, TEXT("final_") + Name, GetRole(Name, true), Array, Problem),
				static_cast<int32>(INDEX_NONE));
	}
	return Bound;
}

// The arrays of a group in the order of its agents' parts.
void FUerlRows::SortArrays(const TMap<FString, FBound>& Arrays, FBoundGroup& Bound)
{
	const UUerlAgentComponent& Agent = *Bound.Group.Agents[0];
	for (const UUerlSensor* const Sensor : Agent.Sensors)
	{
		Bound.Observations.Add(
			Arrays.FindRef(TEXT("observation/") + Sensor->GetPartName().ToString()));
		Bound.PictureSteps.Add(Arrays.FindRef(PictureStepName(*Sensor)));
	}
	for (const UUerlActuator* const Actuator : Agent.Actuators)
	{
		Bound.Actions.Add(Arrays.FindRef(TEXT("action/") + Actuator->GetPartName().ToString()));
		Bound.Taken.Add(Arrays.FindRef(TakenName(*Actuator)));
	}
	for (const UUerlInfo* const Info : Agent.Infos)
	{
		Bound.Infos.Add(Arrays.FindRef(TEXT("info/") + Info->GetPartName().ToString()));
	}
	Bound.Step = Arrays.FindRef(StepName);
}

// Groups come up in the table of arrays in their order, so a group's number is how many came
// before.
int32 FUerlRows::FindGroup(const FString& Name, uint32& OutNumber) const
{
	TArray<FString> Names;
	int32 NumRows = 0;
	for (uint32 Index = 0; Index < uerl_simulator_num_arrays(Simulator); Index++)
	{
		uerl_array Array = {};
		uerl_simulator_array(Simulator, Index, &Array);
		Names.AddUnique(UTF8_TO_TCHAR(Array.group));
		if (Name == UTF8_TO_TCHAR(Array.group))
		{
			OutNumber = Names.Num() - 1;
			NumRows = Array.num_rows;
		}
	}
	return NumRows;
}

// An array that the learner has and this level does not know would never be written or read.
void FUerlRows::CheckRest(const TSet<FString>& Known, TArray<FString>& OutProblems) const
{
	for (uint32 Index = 0; Index < uerl_simulator_num_arrays(Simulator); Index++)
	{
		uerl_array Array = {};
		uerl_simulator_array(Simulator, Index, &Array);
		const FString Name =
			FString(UTF8_TO_TCHAR(Array.group)) + TEXT(": ") + UTF8_TO_TCHAR(Array.name);
		const bool bNamedHere = Array.role == UERL_ROLE_OBSERVATION ||
								Array.role == UERL_ROLE_ACTION || Array.role == UERL_ROLE_INFO;
		if (bNamedHere && !Known.Contains(Name))
		{
			OutProblems.Add(
				FString::Printf(TEXT("array %s is in the learner's spec, and nothing in this level "
									 "has that name: give the learner "
									 "this level's spec (uerl-shm describe), or add the part"),
					*Name));
		}
	}
}

// The learner's own numbers about an observation: this level need not know their names.
void FUerlRows::FindAnnotations(FBoundGroup& Bound) const
{
	for (uint32 Index = 0; Index < uerl_simulator_num_arrays(Simulator); Index++)
	{
		uerl_array Array = {};
		uerl_simulator_array(Simulator, Index, &Array);
		FString Role, Name;
		FString(UTF8_TO_TCHAR(Array.name)).Split(TEXT("/"), &Role, &Name);
		if (Array.role == UERL_ROLE_ANNOTATION && Array.dtype == UERL_DTYPE_FLOAT32 &&
			Array.num_dims == 0 && Bound.Group.Name == UTF8_TO_TCHAR(Array.group))
		{
			Bound.Annotations.Add(*Name, static_cast<int32>(Index));
		}
	}
}

void FUerlRows::ReadAnnotations(const FBoundGroup& Bound, int32 Row) const
{
	for (const TPair<FName, int32>& Annotation : Bound.Annotations)
	{
		float Value = 0.0f;
		FMemory::Memcpy(
			&Value, uerl_simulator_row(Simulator, Annotation.Value, Row), sizeof(Value));
		Bound.Group.Agents[Row]->SetAnnotation(Annotation.Key, Value);
	}
}

void FUerlRows::Bind(uerl_simulator* InSimulator, const TArray<FUerlGroup>& InGroups,
	const TMap<FName, double>& InParameters, TArray<FString>& OutProblems)
{
	Simulator = InSimulator;
	Groups.Reset();
	Parameters.Reset();
	TSet<FString> Known;
	for (const FUerlGroup& Group : InGroups)
	{
		FBoundGroup& Bound = Groups.AddDefaulted_GetRef();
		Bound.Group = Group;
		TMap<FString, FBound> Arrays;
		for (const TPair<FString, FUerlArray>& Array : ListArrays(*Group.Agents[0]))
		{
			const bool bIsInfo = Array.Key.StartsWith(TEXT("info/"));
			const FBound Found = BindArray(
				Group.Name, Array.Key, Array.Value, /* bRequired = */ !bIsInfo, OutProblems);
			Known.Add(Group.Name + TEXT(": ") + Array.Key);
			Arrays.Add(Array.Key, Found);
		}
		SortArrays(Arrays, Bound);
		FindAnnotations(Bound);
		const int32 NumRows = FindGroup(Group.Name, Bound.Number);
		if (OutProblems.Num() == 0 && NumRows != Group.Agents.Num())
		{
			OutProblems.Add(FString::Printf(TEXT("group '%s' has %d agents in the learner's spec, "
												 "this level has %d: give the learner this "
												 "level's spec (uerl-shm describe)"),
				*Group.Name, NumRows, Group.Agents.Num()));
		}
	}
	CheckRest(Known, OutProblems);
	for (const TPair<FName, double>& Parameter : InParameters)
	{
		FString Problem;
		FBound& Bound = Parameters.Add(Parameter.Key);
		const FString Name = TEXT("parameter/") + Parameter.Key.ToString();
		Bound.Array = uerl_simulator_bind(Simulator, nullptr, TCHAR_TO_UTF8(*Name),
			UERL_ROLE_PARAMETER, UERL_DTYPE_FLOAT64, 0, nullptr);
	}
}

TArrayView<uint8> FUerlRows::GetRow(const FBound& Bound, bool bFinal, int32 Row) const
{
	const int32 Array = bFinal ? Bound.FinalArray : Bound.Array;
	uint8* const First =
		Array < 0 ? nullptr : static_cast<uint8*>(uerl_simulator_row(Simulator, Array, Row));
	return TArrayView<uint8>(First, First == nullptr ? 0 : static_cast<int32>(Bound.NumBytes));
}

void FUerlRows::Act() const
{
	for (const FBoundGroup& Bound : Groups)
	{
		for (int32 Row = 0; Row < Bound.Group.Agents.Num(); Row++)
		{
			UUerlAgentComponent* const Agent = Bound.Group.Agents[Row];
			ReadAnnotations(Bound, Row);
			TArray<TArrayView<const uint8>> Actions;
			for (const FBound& Action : Bound.Actions)
			{
				Actions.Add(GetRow(Action, false, Row));
			}
			if (UUerlPolicyComponent* const Policy = UUerlPolicyComponent::Find(*Agent))
			{
				Policy->Act(*Agent, Actions);
				continue;
			}
			for (int32 Index = 0; Index < Actions.Num(); Index++)
			{
				Agent->Actuators[Index]->Apply(Actions[Index]);
			}
		}
	}
}

void FUerlRows::Remember() const
{
	for (const FBoundGroup& Bound : Groups)
	{
		for (int32 Row = 0; Row < Bound.Group.Agents.Num(); Row++)
		{
			UUerlPolicyComponent* const Policy =
				UUerlPolicyComponent::Find(*Bound.Group.Agents[Row]);
			for (int32 Index = 0; Policy != nullptr && Index < Bound.Observations.Num(); Index++)
			{
				const TArrayView<uint8> From = GetRow(Bound.Observations[Index], false, Row);
				FMemory::Memcpy(
					Policy->GetObservationRows()[Index].GetData(), From.GetData(), From.Num());
			}
		}
	}
}

TMap<FName, double> FUerlRows::ReadParameters() const
{
	TMap<FName, double> Values;
	for (const TPair<FName, FBound>& Parameter : Parameters)
	{
		const void* const Value = Parameter.Value.Array < 0
									  ? nullptr
									  : uerl_simulator_row(Simulator, Parameter.Value.Array, 0);
		if (Value != nullptr)
		{
			Values.Add(Parameter.Key, *static_cast<const double*>(Value));
		}
	}
	return Values;
}

// A part whose array the learner left out has an empty row.
template <typename PartType>
static void ObserveAll(const TArray<TObjectPtr<PartType>>& Parts,
	TFunctionRef<TArrayView<uint8>(int32)> GetRow,
	TFunctionRef<FUerlObservation(int32)> GetObservation)
{
	for (int32 Index = 0; Index < Parts.Num(); Index++)
	{
		const TArrayView<uint8> Row = GetRow(Index);
		if (Row.Num() > 0)
		{
			Parts[Index]->BeginObserve(Row, GetObservation(Index));
		}
	}
}

void FUerlRows::Observe(
	bool bFinal, int64 Step, bool bFirst, const TSharedRef<FUerlCommit>& Commit) const
{
	for (const FBoundGroup& Bound : Groups)
	{
		for (int32 Row = 0; Row < Bound.Group.Agents.Num(); Row++)
		{
			const UUerlAgentComponent* const Agent = Bound.Group.Agents[Row];
			ObserveAll(
				Agent->Sensors,
				[&](int32 Index) { return GetRow(Bound.Observations[Index], bFinal, Row); },
				[&](int32 Index)
				{
					const TArrayView<uint8> Drawn = GetRow(Bound.PictureSteps[Index], bFinal, Row);
					return FUerlObservation{ Step, bFirst, bFinal, Commit,
						reinterpret_cast<int64*>(Drawn.GetData()) };
				});
			ObserveAll(
				Agent->Infos, [&](int32 Index) { return GetRow(Bound.Infos[Index], bFinal, Row); },
				[&](int32 Index) { return FUerlObservation{ Step, bFirst, bFinal, Commit }; });
			const UUerlPolicyComponent* const Policy = UUerlPolicyComponent::Find(*Agent);
			for (int32 Index = 0; Policy != nullptr && Index < Bound.Taken.Num(); Index++)
			{
				const TArrayView<uint8> Taken = GetRow(Bound.Taken[Index], bFinal, Row);
				FMemory::Memcpy(
					Taken.GetData(), Policy->GetTakenRows()[Index].GetData(), Taken.Num());
			}
			const TArrayView<uint8> Target = GetRow(Bound.Step, bFinal, Row);
			FMemory::Memcpy(Target.GetData(), &Step, Target.Num());
		}
	}
}

void FUerlRows::WriteOutcomes() const
{
	for (const FBoundGroup& Bound : Groups)
	{
		for (int32 Row = 0; Row < Bound.Group.Agents.Num(); Row++)
		{
			const UUerlAgentComponent* const Agent = Bound.Group.Agents[Row];
			const EUerlEnd End = Agent->GetEnd();
			uerl_simulator_outcome(Simulator, Bound.Number, Row, Agent->GetReward(),
				End == EUerlEnd::Terminated, End == EUerlEnd::Truncated);
		}
	}
}
