// ShimOperators.cpp: the ONNX operators of exported policies, by the letter and without speed.
#include "ShimOnnx.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace
{
using Dims = std::vector<std::int64_t>;
using Given = std::vector<const ShimTensor *>;

std::int64_t At(const std::map<std::string, std::int64_t> &Numbers, const char *Key,
                std::int64_t Otherwise)
{
    const auto Found = Numbers.find(Key);
    return Found == Numbers.end() ? Otherwise : Found->second;
}
double At(const std::map<std::string, double> &Reals, const char *Key, double Otherwise)
{
    const auto Found = Reals.find(Key);
    return Found == Reals.end() ? Otherwise : Found->second;
}
const Dims &List(const ShimNode &Node, const char *Key)
{
    static const Dims None;
    const auto Found = Node.Lists.find(Key);
    return Found == Node.Lists.end() ? None : Found->second;
}

ShimTensor Empty(const Dims &Shape, bool bWhole = false)
{
    ShimTensor Tensor;
    Tensor.Dims = Shape;
    Tensor.bWhole = bWhole;
    Tensor.Real.resize(bWhole ? 0 : static_cast<std::size_t>(Tensor.Count()));
    Tensor.Whole.resize(bWhole ? static_cast<std::size_t>(Tensor.Count()) : 0);
    return Tensor;
}

// The index in a tensor that is broadcast to Shape.
std::size_t Broadcast(const ShimTensor &Tensor, const Dims &Shape, std::size_t Index)
{
    std::size_t Found = 0, Step = 1;
    std::size_t Own = Tensor.Dims.size();
    for (std::size_t Axis = Shape.size(); Axis-- > 0;) {
        const std::size_t Place = Index % static_cast<std::size_t>(Shape[Axis]);
        Index /= static_cast<std::size_t>(Shape[Axis]);
        if (Own == 0)
            continue;
        const std::size_t Length = static_cast<std::size_t>(Tensor.Dims[--Own]);
        Found += Length == 1 ? 0 : Place * Step;
        Step *= Length;
    }
    return Found;
}

ShimTensor Pairs(const Given &In, const std::function<double(double, double)> &Function)
{
    const ShimTensor &One = *In[0], &Other = *In[1];
    Dims Shape(std::max(One.Dims.size(), Other.Dims.size()), 1);
    for (const ShimTensor *Each : In)
        for (std::size_t Axis = 0; Axis < Each->Dims.size(); Axis++) {
            std::int64_t &Length = Shape[Shape.size() - Each->Dims.size() + Axis];
            Length = std::max(Length, Each->Dims[Axis]);
        }
    ShimTensor Out = Empty(Shape, One.bWhole);
    for (std::size_t Index = 0; Index < static_cast<std::size_t>(Out.Count()); Index++) {
        const std::size_t A = Broadcast(One, Shape, Index), B = Broadcast(Other, Shape, Index);
        if (Out.bWhole)
            Out.Whole[Index] = static_cast<std::int64_t>(Function(
                static_cast<double>(One.Whole.at(A)), static_cast<double>(Other.Whole.at(B))));
        else
            Out.Real[Index] = static_cast<float>(Function(One.Real.at(A), Other.Real.at(B)));
    }
    return Out;
}

ShimTensor Each(const Given &In, const std::function<float(float)> &Function)
{
    ShimTensor Out = *In[0];
    std::transform(Out.Real.begin(), Out.Real.end(), Out.Real.begin(), Function);
    return Out;
}

ShimTensor Transpose(const ShimNode &Node, const Given &In)
{
    const Dims &Order = List(Node, "perm");
    const ShimTensor &Source = *In[0];
    Dims Shape, Steps(Order.size(), 1);
    for (std::size_t Axis = Order.size(); Axis-- > 1;)
        Steps[Axis - 1] = Steps[Axis] * Source.Dims[Axis];
    for (const std::int64_t Axis : Order)
        Shape.push_back(Source.Dims[static_cast<std::size_t>(Axis)]);
    ShimTensor Out = Empty(Shape);
    for (std::int64_t Index = 0; Index < Out.Count(); Index++) {
        std::int64_t Rest = Index, From = 0;
        for (std::size_t Axis = Shape.size(); Axis-- > 0; Rest /= Shape[Axis])
            From += Rest % Shape[Axis] * Steps[static_cast<std::size_t>(Order[Axis])];
        Out.Real[static_cast<std::size_t>(Index)] = Source.Real[static_cast<std::size_t>(From)];
    }
    return Out;
}

ShimTensor Conv(const ShimNode &Node, const Given &In)
{
    const ShimTensor &Image = *In[0], &Kernel = *In[1];
    for (const std::int64_t Pad : List(Node, "pads"))
        if (Pad != 0)
            throw std::runtime_error("Conv with pads is unknown to the shim");
    const Dims &Strides = List(Node, "strides");
    const std::int64_t H = Image.Dims[2], W = Image.Dims[3], Channels = Image.Dims[1];
    const std::int64_t KH = Kernel.Dims[2], KW = Kernel.Dims[3], Down = Strides.at(0);
    const std::int64_t Right = Strides.at(1);
    ShimTensor Out =
        Empty({Image.Dims[0], Kernel.Dims[0], (H - KH) / Down + 1, (W - KW) / Right + 1});
    std::size_t Target = 0;
    for (std::int64_t Row = 0; Row < Out.Dims[0]; Row++)
        for (std::int64_t Made = 0; Made < Out.Dims[1]; Made++)
            for (std::int64_t Y = 0; Y < Out.Dims[2]; Y++)
                for (std::int64_t X = 0; X < Out.Dims[3]; X++) {
                    double Sum = In.size() > 2 ? In[2]->Real[static_cast<std::size_t>(Made)] : 0.0;
                    for (std::int64_t C = 0; C < Channels; C++)
                        for (std::int64_t V = 0; V < KH; V++) {
                            const float *const Line = &Image.Real[static_cast<std::size_t>(
                                ((Row * Channels + C) * H + Y * Down + V) * W + X * Right)];
                            const float *const Weights = &Kernel.Real[static_cast<std::size_t>(
                                ((Made * Channels + C) * KH + V) * KW)];
                            for (std::int64_t U = 0; U < KW; U++)
                                Sum += static_cast<double>(Line[U]) * Weights[U];
                        }
                    Out.Real[Target++] = static_cast<float>(Sum);
                }
    return Out;
}

ShimTensor Gemm(const ShimNode &Node, const Given &In)
{
    const bool bTurned = At(Node.Numbers, "transB", 0) != 0;
    if (At(Node.Numbers, "transA", 0) != 0 || At(Node.Reals, "alpha", 1.0) != 1.0 ||
        At(Node.Reals, "beta", 1.0) != 1.0)
        throw std::runtime_error("Gemm with transA, alpha or beta is unknown to the shim");
    const ShimTensor &A = *In[0], &B = *In[1];
    const std::int64_t Rows = A.Dims[0], Inner = A.Dims[1], Columns = B.Dims[bTurned ? 0 : 1];
    ShimTensor Out = Empty({Rows, Columns});
    for (std::int64_t R = 0; R < Rows; R++)
        for (std::int64_t C = 0; C < Columns; C++) {
            const std::size_t Index = static_cast<std::size_t>(R * Columns + C);
            double Sum = In.size() > 2 ? In[2]->Real[Broadcast(*In[2], Out.Dims, Index)] : 0.0;
            for (std::int64_t K = 0; K < Inner; K++)
                Sum += static_cast<double>(A.Real[static_cast<std::size_t>(R * Inner + K)]) *
                       B.Real[static_cast<std::size_t>(bTurned ? C * Inner + K : K * Columns + C)];
            Out.Real[Index] = static_cast<float>(Sum);
        }
    return Out;
}

ShimTensor Reshaped(const ShimTensor &Source, Dims Shape)
{
    std::int64_t Known = 1;
    for (const std::int64_t Length : Shape)
        Known *= Length == -1 ? 1 : Length;
    for (std::int64_t &Length : Shape)
        Length = Length == -1 ? Source.Count() / Known : Length;
    ShimTensor Out = Source;
    Out.Dims = Shape;
    if (Out.Count() != Source.Count())
        throw std::runtime_error("Reshape to another number of values");
    return Out;
}

// Of tensors with two axes, along the second: what a policy's eyes are put together by.
ShimTensor Concat(const Given &In)
{
    ShimTensor Out = Empty({In[0]->Dims[0], 0});
    for (std::int64_t Row = 0; Row < Out.Dims[0]; Row++)
        for (const ShimTensor *Part : In) {
            const auto Begin = Part->Real.begin() + Row * Part->Dims[1];
            Out.Real.insert(Out.Real.end(), Begin, Begin + Part->Dims[1]);
        }
    for (const ShimTensor *Part : In)
        Out.Dims[1] += Part->Dims[1];
    return Out;
}

ShimTensor Cast(const ShimNode &Node, const Given &In)
{
    const std::int64_t To = At(Node.Numbers, "to", 1);
    if (To != 1 && To != 7)
        throw std::runtime_error("Cast to another type than float32 and int64");
    ShimTensor Out = *In[0];
    if (To == 7 && !Out.bWhole)
        Out.Whole.assign(Out.Real.begin(), Out.Real.end());
    else if (To == 1 && Out.bWhole)
        Out.Real.assign(Out.Whole.begin(), Out.Whole.end());
    Out.bWhole = To == 7;
    return Out;
}

// Along the second of two axes.
ShimTensor ScatterElements(const Given &In)
{
    ShimTensor Out = *In[0];
    const std::int64_t Columns = In[1]->Dims[1];
    for (std::int64_t Index = 0; Index < In[1]->Count(); Index++) {
        const std::int64_t Column = In[1]->Whole[static_cast<std::size_t>(Index)];
        Out.Real.at(static_cast<std::size_t>(Index / Columns * Out.Dims[1] + Column)) =
            In[2]->Real[static_cast<std::size_t>(Index)];
    }
    return Out;
}

ShimTensor ConstantOfShape(const ShimNode &Node, const Given &In)
{
    ShimTensor Out = Empty(In[0]->Whole);
    const auto Value = Node.Tensors.find("value");
    std::fill(Out.Real.begin(), Out.Real.end(),
              Value == Node.Tensors.end() ? 0.0f : Value->second.Real.at(0));
    return Out;
}

ShimTensor Unsqueeze(const Given &In)
{
    Dims Shape = In[0]->Dims;
    for (const std::int64_t Axis : In[1]->Whole)
        Shape.insert(Axis < 0 ? Shape.end() + Axis + 1 : Shape.begin() + Axis, 1);
    return Reshaped(*In[0], Shape);
}

ShimTensor Clip(const Given &In)
{
    const float Least = In[1]->Real.at(0), Most = In[2]->Real.at(0);
    return Each(In, [&](float X) { return std::clamp(X, Least, Most); });
}

using Operator = std::function<ShimTensor(const ShimNode &, const Given &)>;
const std::map<std::string, Operator> &Operators()
{
    static const std::map<std::string, Operator> All = {
        {"Add", [](auto &, auto &In) { return Pairs(In, std::plus<double>()); }},
        {"Sub", [](auto &, auto &In) { return Pairs(In, std::minus<double>()); }},
        {"Mul", [](auto &, auto &In) { return Pairs(In, std::multiplies<double>()); }},
        {"Div", [](auto &, auto &In) { return Pairs(In, std::divides<double>()); }},
        {"Relu",
         [](auto &, auto &In) { return Each(In, [](float X) { return std::max(X, 0.0f); }); }},
        {"Tanh", [](auto &, auto &In) { return Each(In, [](float X) { return std::tanh(X); }); }},
        {"Clip", [](auto &, auto &In) { return Clip(In); }},
        {"Transpose", Transpose},
        {"Conv", Conv},
        {"Gemm", Gemm},
        {"Cast", Cast},
        {"Concat", [](auto &, auto &In) { return Concat(In); }},
        {"Reshape", [](auto &, auto &In) { return Reshaped(*In[0], In[1]->Whole); }},
        {"Unsqueeze", [](auto &, auto &In) { return Unsqueeze(In); }},
        {"ScatterElements", [](auto &, auto &In) { return ScatterElements(In); }},
        {"ConstantOfShape", ConstantOfShape},
    };
    return All;
}
} // namespace

bool ShimKnowsOperator(const std::string &Kind)
{
    return Operators().count(Kind) > 0;
}

std::vector<ShimTensor> ShimRunOnnx(const ShimGraph &Graph, const std::vector<ShimTensor> &Inputs)
{
    std::map<std::string, ShimTensor> Values;
    const auto Find = [&](const std::string &Name) -> const ShimTensor & {
        const auto Found = Values.find(Name);
        return Found != Values.end() ? Found->second : Graph.Constants.at(Name);
    };
    for (std::size_t Index = 0; Index < Inputs.size(); Index++)
        Values[Graph.Inputs[Index].Name] = Inputs[Index];
    for (const ShimNode &Node : Graph.Nodes) {
        Given In;
        for (const std::string &Name : Node.Inputs)
            In.push_back(&Find(Name));
        Values[Node.Outputs.at(0)] = Operators().at(Node.Kind)(Node, In);
    }
    std::vector<ShimTensor> Outputs;
    for (const ShimPort &Port : Graph.Outputs)
        Outputs.push_back(Find(Port.Name));
    return Outputs;
}
