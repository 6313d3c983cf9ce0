// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlInternalPolicy.h"

#include "Misc/EngineVersionComparison.h"
#include "Misc/FileHelper.h"
#include "Misc/Paths.h"
#include "NNE.h"
#include "NNEModelData.h"
#include "NNERuntimeCPU.h"
#include "UerlActuators.h"
#include "UerlAgentComponent.h"
#include "UerlSensors.h"
#include "UerlValues.h"
#include "UObject/Package.h"

static const TCHAR* const RuntimeName = TEXT("NNERuntimeORTCpu");

static FString ToText(const FUerlArray& Array)
{
	static const TCHAR* const Types[] = { TEXT("float32"), TEXT("uint8"), TEXT("int64"),
		TEXT("bool") };
	FString Text = FString(Types[static_cast<int32>(Array.Type)]) + TEXT(" [");
	for (int32 Axis = 0; Axis < Array.Shape.Num(); Axis++)
	{
		Text += FString::Printf(TEXT("%s%d"), Axis == 0 ? TEXT("") : TEXT(", "), Array.Shape[Axis]);
	}
	Text += TEXT("]");
	for (int32 Index = 0; Index < Array.Choices.Num(); Index++)
	{
		Text += FString::Printf(
			TEXT("%s%d"), Index == 0 ? TEXT(", choices: ") : TEXT(", "), Array.Choices[Index]);
	}
	return Text;
}

// Bounds need not agree: they only scale what the network sees, and the actuator keeps its own.
static bool HaveSameForm(const FUerlArray& One, const FUerlArray& Other)
{
	return One.Type == Other.Type && One.Shape == Other.Shape && One.Choices == Other.Choices;
}

template <typename PartType>
static bool MatchArrays(const TCHAR* What, const TArray<FUerlModelArray>& Arrays,
	const TArray<TObjectPtr<PartType>>& Parts, TArray<int32>& OutIndices, FString& OutProblem)
{
	for (const FUerlModelArray& Each : Arrays)
	{
		FString Known;
		int32 Found = INDEX_NONE;
		for (int32 Index = 0; Index < Parts.Num(); Index++)
		{
			const FString Name = Parts[Index]->GetPartName().ToString();
			Known += TEXT(" ") + Name;
			Found = Name == Each.Name ? Index : Found;
		}
		if (Found == INDEX_NONE)
		{
			OutProblem = FString::Printf(TEXT("was trained with %s '%s', expected one of this "
											  "agent's:%s; export it for this agent's spec"),
				What, *Each.Name, *Known);
			return false;
		}
		const FUerlArray Own = Parts[Found]->Describe();
		if (!HaveSameForm(Own, Each.Array))
		{
			OutProblem = FString::Printf(TEXT("was trained with %s '%s' %s, expected this agent's "
											  "%s: export it for this agent's spec"),
				What, *Each.Name, *ToText(Each.Array), *ToText(Own));
			return false;
		}
		OutIndices.Add(Found);
	}
	return true;
}

bool FUerlInternalPolicy::Match(const UUerlAgentComponent& Agent, FString& OutProblem)
{
	if (!MatchArrays(
			TEXT("observation"), Metadata.Observations, Agent.Sensors, Sensors, OutProblem) ||
		!MatchArrays(TEXT("action"), Metadata.Actions, Agent.Actuators, Actuators, OutProblem))
	{
		return false;
	}
	if (Actuators.Num() != Agent.Actuators.Num())
	{
		OutProblem = FString::Printf(TEXT("has %d actions, expected this agent's %d: export it for "
										  "this agent's spec"),
			Actuators.Num(), Agent.Actuators.Num());
		return false;
	}
	return true;
}

TSharedPtr<FUerlInternalPolicy> FUerlInternalPolicy::Load(
	const FString& Path, const UUerlAgentComponent& Agent, FString& OutProblem)
{
	const FString FullPath = FPaths::ConvertRelativePathToFull(FPaths::ProjectDir(), Path);
	const TSharedRef<FUerlInternalPolicy> Policy = MakeShared<FUerlInternalPolicy>();
	TArray<uint8> File;
	if (Path.IsEmpty() || !FFileHelper::LoadFileToArray(File, *FullPath))
	{
		OutProblem = FString::Printf(TEXT("model file '%s' cannot be read, expected an ONNX file "
										  "of uerl_shm.torch.export_onnx(): set ModelFile"),
			*FullPath);
		return nullptr;
	}
	if (!FUerlModelMetadata::Read(File, Policy->Metadata, OutProblem) ||
		!Policy->Match(Agent, OutProblem) || !Policy->MakeInstance(File, OutProblem))
	{
		OutProblem = FString::Printf(TEXT("model file '%s' %s"), *FullPath, *OutProblem);
		return nullptr;
	}
	return Policy;
}

#if UE_VERSION_OLDER_THAN(5, 4, 0)
static bool IsOk(int32 Status)
{
	return Status == 0;
}
#else
template <typename StatusType>
static bool IsOk(StatusType Status)
{
	return Status == StatusType::Ok;
}
#endif

static TSharedPtr<UE::NNE::IModelInstanceCPU> MakeNneInstance(
	INNERuntimeCPU& Runtime, UNNEModelData* Data)
{
#if UE_VERSION_OLDER_THAN(5, 4, 0)
	TUniquePtr<UE::NNE::IModelCPU> Model = Runtime.CreateModel(Data);
	return Model.IsValid()
			   ? TSharedPtr<UE::NNE::IModelInstanceCPU>(Model->CreateModelInstance().Release())
			   : nullptr;
#else
	const TSharedPtr<UE::NNE::IModelCPU> Model = Runtime.CreateModelCPU(Data);
	return Model.IsValid() ? Model->CreateModelInstanceCPU() : nullptr;
#endif
}

bool FUerlInternalPolicy::MakeInstance(TArrayView<const uint8> File, FString& OutProblem)
{
	const TWeakInterfacePtr<INNERuntimeCPU> Runtime =
		UE::NNE::GetRuntime<INNERuntimeCPU>(RuntimeName);
	if (!Runtime.IsValid())
	{
		OutProblem = FString::Printf(TEXT("needs the runtime %s, which is not there: enable the "
										  "plugin NNERuntimeORT (engine 5.3: NNERuntimeORTCpu)"),
			RuntimeName);
		return false;
	}
	UNNEModelData* const Data = NewObject<UNNEModelData>(GetTransientPackage());
	Data->Init(TEXT("onnx"), File);
	Instance = MakeNneInstance(*Runtime.Get(), Data);
	if (!Instance.IsValid())
	{
		OutProblem = FString::Printf(
			TEXT("cannot be run by %s, expected operators that it knows: see LogNNE"), RuntimeName);
		return false;
	}
	return CheckPorts(OutProblem);
}

bool FUerlInternalPolicy::CheckPorts(FString& OutProblem) const
{
	int32 NumNumbers = 0;
	TArray<UE::NNE::FTensorShape> Shapes;
	for (const FUerlModelArray& Each : Metadata.Observations)
	{
		TArray<uint32> Lengths = { 1 };
		for (const int32 Length : Each.Array.Shape)
		{
			Lengths.Add(static_cast<uint32>(Length));
		}
		Shapes.Add(UE::NNE::FTensorShape::Make(Lengths));
	}
	for (const FUerlModelArray& Each : Metadata.Actions)
	{
		NumNumbers += Each.NumNumbers();
	}
	const auto Outputs = Instance->GetOutputTensorDescs();
	const bool bFits = Instance->GetInputTensorDescs().Num() == Shapes.Num() &&
					   Outputs.Num() == 1 && Outputs[0].GetShape().GetData().Num() == 2 &&
					   Outputs[0].GetShape().GetData()[1] == NumNumbers &&
					   IsOk(Instance->SetInputTensorShapes(Shapes));
	if (!bFits)
	{
		OutProblem = FString::Printf(TEXT("has a network of another form, expected %d inputs as "
										  "its metadata has them and one output [1, %d]"),
			Shapes.Num(), NumNumbers);
	}
	return bFits;
}

// As examples/policy.py: in double precision, so that the result has the same bits.
static float ToBounds(const FUerlModelArray& Action, float Number)
{
	const FUerlArray& Array = Action.Array;
	if (!FMath::IsFinite(Number))
	{
		return 0.0f;
	}
	if (Action.Transform == EUerlTransform::Unit)
	{
		const double Half = (Array.High - Array.Low) / 2.0;
		return static_cast<float>(
			Array.Low + (static_cast<double>(FMath::Clamp(Number, -1.0f, 1.0f)) + 1.0) * Half);
	}
	return Array.bBounded ? static_cast<float>(FMath::Clamp<double>(Number, Array.Low, Array.High))
						  : Number;
}

static TArray<float> ToAction(const FUerlModelArray& Action, TArrayView<const float> Numbers)
{
	TArray<float> Values;
	if (Action.Transform != EUerlTransform::Argmax)
	{
		for (const float Number : Numbers)
		{
			Values.Add(ToBounds(Action, Number));
		}
		return Values;
	}
	int32 First = 0;
	for (const int32 Choices : Action.Array.Choices)
	{
		int32 Best = 0;
		for (int32 Choice = 1; Choice < Choices; Choice++)
		{
			Best = Numbers[First + Choice] > Numbers[First + Best] ? Choice : Best;
		}
		Values.Add(static_cast<float>(Best));
		First += Choices;
	}
	return Values;
}

bool FUerlInternalPolicy::Decide(const TArray<TArray<uint8>>& Observations,
	TArray<TArray<uint8>>& OutActions, FString& OutProblem)
{
	int32 NumNumbers = 0;
	TArray<UE::NNE::FTensorBindingCPU> InputBindings, OutputBindings;
	Inputs.SetNum(Sensors.Num());
	for (int32 Index = 0; Index < Sensors.Num(); Index++)
	{
		const FUerlModelArray& Each = Metadata.Observations[Index];
		TArray<float>& Input = Inputs[Index];
		Input = UerlValues::Read(Each.Array, Observations[Sensors[Index]]);
		for (float& Value : Input)
		{
			Value *= static_cast<float>(Each.Scale);
		}
		InputBindings.Add({ Input.GetData(), Input.Num() * sizeof(float) });
	}
	for (const FUerlModelArray& Each : Metadata.Actions)
	{
		NumNumbers += Each.NumNumbers();
	}
	Output.SetNumZeroed(NumNumbers);
	OutputBindings.Add({ Output.GetData(), Output.Num() * sizeof(float) });
	if (!IsOk(Instance->RunSync(InputBindings, OutputBindings)))
	{
		OutProblem = TEXT("the model could not be run, expected a result: see LogNNE");
		return false;
	}
	int32 First = 0;
	for (int32 Index = 0; Index < Actuators.Num(); Index++)
	{
		const FUerlModelArray& Each = Metadata.Actions[Index];
		const TArrayView<const float> Numbers(Output.GetData() + First, Each.NumNumbers());
		UerlValues::Write(Each.Array, ToAction(Each, Numbers), OutActions[Actuators[Index]]);
		First += Each.NumNumbers();
	}
	return true;
}
