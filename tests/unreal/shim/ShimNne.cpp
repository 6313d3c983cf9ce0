// ShimNne.cpp: the runtime behind the shim's NNE; -ShimNoNne takes it away.
#include "Shim.h"
#include "ShimOnnx.h"

namespace
{
using namespace UE::NNE;

TArray<FTensorDesc> Describe(const std::vector<ShimPort> &Ports)
{
    TArray<FTensorDesc> Found;
    for (const ShimPort &Port : Ports) {
        FTensorDesc &Desc = Found.AddDefaulted_GetRef();
        Desc.Name = FString(Port.Name);
        Desc.Type = Port.Type == 1 ? ENNETensorDataType::Float : ENNETensorDataType::Int64;
        for (const std::int64_t Length : Port.Dims)
            Desc.Shape.Lengths.Add(static_cast<int32>(Length));
    }
    return Found;
}

class Instance : public IModelInstanceCPU
{
  public:
    explicit Instance(std::shared_ptr<const ShimGraph> Graph)
        : Graph(Graph), Inputs(Describe(Graph->Inputs)), Outputs(Describe(Graph->Outputs))
    {
    }
    TConstArrayView<FTensorDesc> GetInputTensorDescs() const override
    {
        return Inputs;
    }
    TConstArrayView<FTensorDesc> GetOutputTensorDescs() const override
    {
        return Outputs;
    }
    EResultStatus SetInputTensorShapes(TConstArrayView<FTensorShape> Given) override
    {
        Shapes.clear();
        if (Given.Num() != Inputs.Num())
            return EResultStatus::Fail;
        for (int32 Index = 0; Index < Given.Num(); Index++) {
            const auto Own = Given[Index].GetData();
            const auto Wanted = Inputs[Index].GetShape().GetData();
            if (Own.Num() != Wanted.Num())
                return EResultStatus::Fail;
            for (int32 Axis = 0; Axis < Own.Num(); Axis++)
                if (Wanted[Axis] >= 0 && static_cast<uint32>(Wanted[Axis]) != Own[Axis])
                    return EResultStatus::Fail;
        }
        for (const FTensorShape &Shape : Given)
            Shapes.emplace_back(Shape.GetData().begin(), Shape.GetData().end());
        return EResultStatus::Ok;
    }
    EResultStatus RunSync(TConstArrayView<FTensorBindingCPU> In,
                          TConstArrayView<FTensorBindingCPU> Out) override
    {
        if (Shapes.empty() || In.Num() != Inputs.Num() || Out.Num() != Outputs.Num())
            return EResultStatus::Fail;
        std::vector<ShimTensor> Given(Shapes.size());
        for (int32 Index = 0; Index < In.Num(); Index++) {
            ShimTensor &Tensor = Given[static_cast<std::size_t>(Index)];
            Tensor.Dims = Shapes[static_cast<std::size_t>(Index)];
            const float *const First = static_cast<const float *>(In[Index].Data);
            Tensor.Real.assign(First, First + Tensor.Count());
            if (In[Index].SizeInBytes != Tensor.Real.size() * sizeof(float))
                return EResultStatus::Fail;
        }
        const std::vector<ShimTensor> Made = ShimRunOnnx(*Graph, Given);
        for (int32 Index = 0; Index < Out.Num(); Index++) {
            const std::vector<float> &Real = Made[static_cast<std::size_t>(Index)].Real;
            if (Out[Index].SizeInBytes < Real.size() * sizeof(float))
                return EResultStatus::Fail;
            std::memcpy(Out[Index].Data, Real.data(), Real.size() * sizeof(float));
        }
        return EResultStatus::Ok;
    }

  private:
    std::shared_ptr<const ShimGraph> Graph;
    TArray<FTensorDesc> Inputs, Outputs;
    std::vector<std::vector<std::int64_t>> Shapes;
};

class Model : public IModelCPU
{
  public:
    explicit Model(std::shared_ptr<const ShimGraph> Graph) : Graph(Graph)
    {
    }
    TSharedPtr<IModelInstanceCPU> CreateModelInstanceCPU() override
    {
        return TSharedPtr<IModelInstanceCPU>(std::make_shared<Instance>(Graph));
    }

  private:
    std::shared_ptr<const ShimGraph> Graph;
};

class Runtime : public INNERuntimeCPU
{
  public:
    TSharedPtr<IModelCPU> CreateModelCPU(TObjectPtr<UNNEModelData> Data) override
    {
        try {
            const auto Graph = std::make_shared<const ShimGraph>(ShimReadOnnx(
                Data->FileData.GetData(), static_cast<std::size_t>(Data->FileData.Num())));
            return TSharedPtr<IModelCPU>(std::make_shared<Model>(Graph));
        } catch (const std::exception &Error) {
            ShimLog("LogNNE", "Error", Error.what());
            return nullptr;
        }
    }
};
} // namespace

INNERuntimeCPU *ShimFindRuntime(const FString &Name)
{
    static Runtime Only;
    const bool bThere = !FParse::Param(FCommandLine::Get(), TEXT("ShimNoNne"));
    return bThere && Name == FString(TEXT("NNERuntimeORTCpu")) ? &Only : nullptr;
}
