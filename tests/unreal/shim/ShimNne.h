// ShimNne.h: the engine's neural network interface (NNE), with one runtime: "NNERuntimeORTCpu".
#pragma once

#include "ShimNne.generated.h"
#include "ShimObject.h"

template <typename T> class TConstArrayView : public TArrayView<const T>
{
  public:
    using TArrayView<const T>::TArrayView;
    TConstArrayView(const TArray<T> &Array) : TArrayView<const T>(Array.GetData(), Array.Num())
    {
    }
    TConstArrayView(std::initializer_list<T> List)
        : TArrayView<const T>(List.begin(), static_cast<int32>(List.size()))
    {
    }
};
template <typename T> class TWeakInterfacePtr
{
  public:
    explicit TWeakInterfacePtr(T *Value) : Value(Value)
    {
    }
    bool IsValid() const
    {
        return Value != nullptr;
    }
    T *Get() const
    {
        return Value;
    }

  private:
    T *Value;
};

inline UObject *GetTransientPackage()
{
    return nullptr;
}

enum class ENNETensorDataType : uint8 { None, Float, Int64 };

UCLASS()
class UNNEModelData : public UObject
{
    GENERATED_BODY()

  public:
    void Init(const FString &Type, TArrayView<const uint8> Buffer)
    {
        FileType = Type;
        FileData = TArray<uint8>(Buffer.GetData(), Buffer.Num());
    }
    FString FileType;
    TArray<uint8> FileData;
};

namespace UE::NNE
{
enum class EResultStatus : uint8 { Ok, Fail };
struct FTensorBindingCPU {
    void *Data;
    uint64 SizeInBytes;
};
class FSymbolicTensorShape
{
  public:
    TArrayView<const int32> GetData() const
    {
        return Lengths;
    }
    TArray<int32> Lengths;
};
class FTensorShape
{
  public:
    static FTensorShape Make(TConstArrayView<uint32> Data)
    {
        FTensorShape Shape;
        Shape.Lengths = TArray<uint32>(Data.GetData(), Data.Num());
        return Shape;
    }
    TArrayView<const uint32> GetData() const
    {
        return Lengths;
    }
    uint64 Volume() const
    {
        uint64 Count = 1;
        for (const uint32 Length : Lengths)
            Count *= Length;
        return Count;
    }

  private:
    TArray<uint32> Lengths;
};
class FTensorDesc
{
  public:
    const FString &GetName() const
    {
        return Name;
    }
    ENNETensorDataType GetDataType() const
    {
        return Type;
    }
    const FSymbolicTensorShape &GetShape() const
    {
        return Shape;
    }
    FString Name;
    ENNETensorDataType Type = ENNETensorDataType::None;
    FSymbolicTensorShape Shape;
};
class IModelInstanceCPU
{
  public:
    virtual ~IModelInstanceCPU() = default;
    virtual TConstArrayView<FTensorDesc> GetInputTensorDescs() const = 0;
    virtual TConstArrayView<FTensorDesc> GetOutputTensorDescs() const = 0;
    virtual EResultStatus SetInputTensorShapes(TConstArrayView<FTensorShape> Shapes) = 0;
    virtual EResultStatus RunSync(TConstArrayView<FTensorBindingCPU> Inputs,
                                  TConstArrayView<FTensorBindingCPU> Outputs) = 0;
};
class IModelCPU
{
  public:
    virtual ~IModelCPU() = default;
    virtual TSharedPtr<IModelInstanceCPU> CreateModelInstanceCPU() = 0;
};
} // namespace UE::NNE

class INNERuntimeCPU
{
  public:
    virtual ~INNERuntimeCPU() = default;
    virtual TSharedPtr<UE::NNE::IModelCPU> CreateModelCPU(TObjectPtr<UNNEModelData> Data) = 0;
};

INNERuntimeCPU *ShimFindRuntime(const FString &Name);
namespace UE::NNE
{
template <typename T> TWeakInterfacePtr<T> GetRuntime(const FString &Name)
{
    return TWeakInterfacePtr<T>(ShimFindRuntime(Name));
}
} // namespace UE::NNE
