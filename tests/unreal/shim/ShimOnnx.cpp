// ShimOnnx.cpp: reads ONNX files: the fields of onnx.proto that the shim needs.
#include "ShimOnnx.h"

#include <cstring>
#include <stdexcept>

std::int64_t ShimTensor::Count() const
{
    std::int64_t Product = 1;
    for (const std::int64_t Length : Dims)
        Product *= Length;
    return Product;
}

namespace
{
// A message of protobuf: fields of a number, each a whole number or a run of bytes.
class Message
{
  public:
    Message(const std::uint8_t *Bytes, std::size_t Count) : At(Bytes), End(Bytes + Count)
    {
    }
    bool Next()
    {
        if (At == End)
            return false;
        const std::uint64_t Key = Varint();
        Field = static_cast<int>(Key >> 3);
        Wire = static_cast<int>(Key & 7);
        if (Wire == 0)
            Number = Varint();
        else if (Wire == 2)
            Take(Varint());
        else if (Wire == 5 || Wire == 1)
            Take(Wire == 5 ? 4 : 8);
        else
            throw std::runtime_error("a damaged ONNX file");
        return true;
    }
    std::string Text() const
    {
        return std::string(reinterpret_cast<const char *>(Data), Length);
    }
    Message Inner() const
    {
        return Message(Data, Length);
    }
    float Real() const
    {
        float Value = 0.0f;
        std::memcpy(&Value, Data, std::min<std::size_t>(Length, sizeof(Value)));
        return Value;
    }
    // A repeated whole number stands alone, or packed with others.
    void AddTo(std::vector<std::int64_t> &List) const
    {
        if (Wire == 0)
            return List.push_back(static_cast<std::int64_t>(Number));
        for (Message Packed = Inner(); Packed.At != Packed.End;)
            List.push_back(static_cast<std::int64_t>(Packed.Varint()));
    }

    int Field = 0, Wire = 0;
    std::uint64_t Number = 0;
    const std::uint8_t *Data = nullptr;
    std::size_t Length = 0;

  private:
    std::uint64_t Varint()
    {
        std::uint64_t Value = 0;
        for (int Shift = 0; Shift < 64; Shift += 7) {
            if (At == End)
                break;
            const std::uint8_t Byte = *At++;
            Value |= static_cast<std::uint64_t>(Byte & 127) << Shift;
            if (Byte < 128)
                return Value;
        }
        throw std::runtime_error("a damaged ONNX file");
    }
    void Take(std::uint64_t Count)
    {
        if (Count > static_cast<std::uint64_t>(End - At))
            throw std::runtime_error("an ONNX file that is cut off");
        Data = At;
        Length = Count;
        At += Count;
    }
    const std::uint8_t *At, *End;
};

template <typename T> std::vector<T> Values(const std::string &Raw)
{
    std::vector<T> Found(Raw.size() / sizeof(T));
    std::memcpy(Found.data(), Raw.data(), Found.size() * sizeof(T));
    return Found;
}

ShimTensor ReadTensor(Message Part, std::string &Name)
{
    ShimTensor Tensor;
    std::string Raw;
    int Type = 0;
    while (Part.Next()) {
        if (Part.Field == 1)
            Part.AddTo(Tensor.Dims);
        else if (Part.Field == 2)
            Type = static_cast<int>(Part.Number);
        else if (Part.Field == 4)
            Raw = Part.Text(); // float_data: packed, as raw
        else if (Part.Field == 7)
            Part.AddTo(Tensor.Whole);
        else if (Part.Field == 8)
            Name = Part.Text();
        else if (Part.Field == 9)
            Raw = Part.Text();
    }
    if (Type != 1 && Type != 7)
        throw std::runtime_error("tensor " + Name + " of another type than float32 and int64");
    Tensor.bWhole = Type == 7;
    if (Tensor.bWhole && Tensor.Whole.empty())
        Tensor.Whole = Values<std::int64_t>(Raw);
    else if (!Tensor.bWhole)
        Tensor.Real = Values<float>(Raw);
    const std::size_t Found = Tensor.bWhole ? Tensor.Whole.size() : Tensor.Real.size();
    if (static_cast<std::size_t>(Tensor.Count()) != Found)
        throw std::runtime_error("tensor " + Name + " with values missing");
    return Tensor;
}

void ReadAttribute(Message Part, ShimNode &Node)
{
    std::string Name, Unused;
    while (Part.Next()) {
        if (Part.Field == 1)
            Name = Part.Text();
        else if (Part.Field == 2)
            Node.Reals[Name] = Part.Real();
        else if (Part.Field == 3)
            Node.Numbers[Name] = static_cast<std::int64_t>(Part.Number);
        else if (Part.Field == 5)
            Node.Tensors[Name] = ReadTensor(Part.Inner(), Unused);
        else if (Part.Field == 8)
            Part.AddTo(Node.Lists[Name]);
    }
}

ShimNode ReadNode(Message Part)
{
    ShimNode Node;
    while (Part.Next()) {
        if (Part.Field == 1)
            Node.Inputs.push_back(Part.Text());
        else if (Part.Field == 2)
            Node.Outputs.push_back(Part.Text());
        else if (Part.Field == 4)
            Node.Kind = Part.Text();
        else if (Part.Field == 5)
            ReadAttribute(Part.Inner(), Node);
    }
    return Node;
}

void ReadShape(Message Part, ShimPort &Port)
{
    while (Part.Next()) {
        std::int64_t Length = -1;
        for (Message Axis = Part.Inner(); Axis.Next();)
            if (Axis.Field == 1)
                Length = static_cast<std::int64_t>(Axis.Number);
        Port.Dims.push_back(Length);
    }
}

ShimPort ReadPort(Message Part)
{
    ShimPort Port;
    while (Part.Next()) {
        if (Part.Field == 1)
            Port.Name = Part.Text();
        if (Part.Field != 2)
            continue;
        for (Message Type = Part.Inner(); Type.Next();)
            for (Message Tensor = Type.Inner(); Type.Field == 1 && Tensor.Next();) {
                if (Tensor.Field == 1)
                    Port.Type = static_cast<int>(Tensor.Number);
                else if (Tensor.Field == 2)
                    ReadShape(Tensor.Inner(), Port);
            }
    }
    return Port;
}
} // namespace

ShimGraph ShimReadOnnx(const std::uint8_t *Bytes, std::size_t Count)
{
    ShimGraph Graph;
    for (Message Model(Bytes, Count); Model.Next();) {
        if (Model.Field != 7)
            continue;
        for (Message Part = Model.Inner(); Part.Next();) {
            std::string Name;
            if (Part.Field == 1)
                Graph.Nodes.push_back(ReadNode(Part.Inner()));
            else if (Part.Field == 11)
                Graph.Inputs.push_back(ReadPort(Part.Inner()));
            else if (Part.Field == 12)
                Graph.Outputs.push_back(ReadPort(Part.Inner()));
            if (Part.Field != 5)
                continue;
            ShimTensor Tensor = ReadTensor(Part.Inner(), Name);
            Graph.Constants[Name] = std::move(Tensor);
        }
    }
    if (Graph.Nodes.empty())
        throw std::runtime_error("no graph in the ONNX file");
    for (const ShimNode &Node : Graph.Nodes)
        if (!ShimKnowsOperator(Node.Kind))
            throw std::runtime_error("operator " + Node.Kind + " is unknown to the shim");
    return Graph;
}
