// ShimOnnx.h: runs the ONNX operators that exported policies use; any other is refused by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct ShimTensor {
    std::vector<std::int64_t> Dims;
    bool bWhole = false; // int64 values in Whole, else float32 values in Real
    std::vector<float> Real;
    std::vector<std::int64_t> Whole;
    std::int64_t Count() const;
};

struct ShimNode {
    std::string Kind;
    std::vector<std::string> Inputs, Outputs;
    std::map<std::string, std::int64_t> Numbers;
    std::map<std::string, double> Reals;
    std::map<std::string, std::vector<std::int64_t>> Lists;
    std::map<std::string, ShimTensor> Tensors;
};

// Name and axes of an input or output of the graph; an axis of -1 may have any length.
struct ShimPort {
    std::string Name;
    int Type = 0; // of onnx.TensorProto.DataType: 1 is float32
    std::vector<std::int64_t> Dims;
};

struct ShimGraph {
    std::vector<ShimNode> Nodes;
    std::map<std::string, ShimTensor> Constants;
    std::vector<ShimPort> Inputs, Outputs;
};

// Throw std::runtime_error that says what is wrong with the bytes, or which operator is unknown.
ShimGraph ShimReadOnnx(const std::uint8_t *Bytes, std::size_t Count);
std::vector<ShimTensor> ShimRunOnnx(const ShimGraph &Graph, const std::vector<ShimTensor> &Inputs);
bool ShimKnowsOperator(const std::string &Kind);
