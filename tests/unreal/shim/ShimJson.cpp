// ShimJson.cpp: reads and writes JSON.
#include "ShimJson.h"

bool FJsonValue::TryGetString(FString &Value) const
{
    // The engine turns numbers and booleans into text here; the plugin must not rely on it.
    if (Type != EJson::String)
        return false;
    Value = Text;
    return true;
}
bool FJsonValue::TryGetNumber(double &Value) const
{
    if (Type != EJson::Number)
        return false;
    Value = Number;
    return true;
}
bool FJsonValue::TryGetBool(bool &bValue) const
{
    if (Type != EJson::Boolean)
        return false;
    bValue = bTrue;
    return true;
}
bool FJsonValue::TryGetArray(const TArray<TSharedPtr<FJsonValue>> *&Value) const
{
    Value = &List;
    return Type == EJson::Array;
}
bool FJsonValue::TryGetObject(const TSharedPtr<FJsonObject> *&Value) const
{
    Value = &Object;
    return Type == EJson::Object;
}

bool FJsonObject::TryGetStringField(const TCHAR *Key, FString &Value) const
{
    const TSharedPtr<FJsonValue> Found = TryGetField(Key);
    return Found.IsValid() && Found->TryGetString(Value);
}
bool FJsonObject::TryGetNumberField(const TCHAR *Key, double &Value) const
{
    const TSharedPtr<FJsonValue> Found = TryGetField(Key);
    return Found.IsValid() && Found->TryGetNumber(Value);
}
bool FJsonObject::TryGetBoolField(const TCHAR *Key, bool &bValue) const
{
    const TSharedPtr<FJsonValue> Found = TryGetField(Key);
    return Found.IsValid() && Found->TryGetBool(bValue);
}
bool FJsonObject::TryGetArrayField(const TCHAR *Key,
                                   const TArray<TSharedPtr<FJsonValue>> *&Value) const
{
    const TSharedPtr<FJsonValue> Found = TryGetField(Key);
    return Found.IsValid() && Found->TryGetArray(Value);
}
bool FJsonObject::TryGetObjectField(const TCHAR *Key, const TSharedPtr<FJsonObject> *&Value) const
{
    const TSharedPtr<FJsonValue> Found = TryGetField(Key);
    return Found.IsValid() && Found->TryGetObject(Value);
}
static TSharedRef<FJsonValue> ShimValue(EJson Type)
{
    TSharedRef<FJsonValue> Value = MakeShared<FJsonValue>();
    Value->Type = Type;
    return Value;
}
void FJsonObject::SetStringField(const FString &Key, const FString &Text)
{
    const auto Value = ShimValue(EJson::String);
    Value->Text = Text;
    Values.Add(Key, Value);
}
void FJsonObject::SetNumberField(const FString &Key, double Number)
{
    Values.Add(Key, MakeShared<FJsonValueNumber>(Number));
}
void FJsonObject::SetBoolField(const FString &Key, bool bTrue)
{
    const auto Value = ShimValue(EJson::Boolean);
    Value->bTrue = bTrue;
    Values.Add(Key, Value);
}
void FJsonObject::SetArrayField(const FString &Key, const TArray<TSharedPtr<FJsonValue>> &List)
{
    const auto Value = ShimValue(EJson::Array);
    Value->List = List;
    Values.Add(Key, Value);
}
void FJsonObject::SetObjectField(const FString &Key, TSharedPtr<FJsonObject> Object)
{
    Values.Add(Key, MakeShared<FJsonValueObject>(Object));
}

namespace
{

class Parser
{
  public:
    explicit Parser(const std::string &Text) : Text(Text)
    {
    }

    bool ParseAll(TSharedPtr<FJsonObject> &Out)
    {
        const TSharedPtr<FJsonValue> Value = ParseValue();
        Skip();
        if (!Value.IsValid() || Value->Type != EJson::Object || At != Text.size())
            return false;
        Out = Value->Object;
        return true;
    }

  private:
    void Skip()
    {
        while (At < Text.size() && std::strchr(" \t\r\n", Text[At]) != nullptr)
            At++;
    }
    bool Take(const char *Token)
    {
        Skip();
        if (Text.compare(At, std::strlen(Token), Token) != 0)
            return false;
        At += std::strlen(Token);
        return true;
    }
    TSharedPtr<FJsonValue> ParseValue()
    {
        if (++Depth > 100)
            return nullptr;
        const TSharedPtr<FJsonValue> Value = ParseAny();
        Depth--;
        return Value;
    }
    TSharedPtr<FJsonValue> ParseAny()
    {
        Skip();
        if (Take("{"))
            return ParseObject();
        if (Take("["))
            return ParseArray();
        if (At < Text.size() && Text[At] == '"') {
            const auto Value = ShimValue(EJson::String);
            return ParseString(Value->Text) ? TSharedPtr<FJsonValue>(Value) : nullptr;
        }
        if (Take("null"))
            return ShimValue(EJson::Null);
        const bool bTrue = Take("true");
        if (bTrue || Take("false")) {
            const auto Value = ShimValue(EJson::Boolean);
            Value->bTrue = bTrue;
            return Value;
        }
        char *End = nullptr;
        const double Number = std::strtod(Text.c_str() + At, &End);
        if (End == Text.c_str() + At)
            return nullptr;
        At = static_cast<std::size_t>(End - Text.c_str());
        return MakeShared<FJsonValueNumber>(Number);
    }
    TSharedPtr<FJsonValue> ParseObject()
    {
        const TSharedRef<FJsonObject> Object = MakeShared<FJsonObject>();
        const auto Whole = [&] { return MakeShared<FJsonValueObject>(Object); };
        if (Take("}"))
            return Whole();
        do {
            FString Key;
            Skip();
            if (!ParseString(Key) || !Take(":"))
                return nullptr;
            const TSharedPtr<FJsonValue> Value = ParseValue();
            if (!Value.IsValid())
                return nullptr;
            Object->Values.Add(Key, Value);
        } while (Take(","));
        return Take("}") ? TSharedPtr<FJsonValue>(Whole()) : nullptr;
    }
    TSharedPtr<FJsonValue> ParseArray()
    {
        const auto Array = ShimValue(EJson::Array);
        if (Take("]"))
            return Array;
        do {
            const TSharedPtr<FJsonValue> Value = ParseValue();
            if (!Value.IsValid())
                return nullptr;
            Array->List.Add(Value);
        } while (Take(","));
        return Take("]") ? TSharedPtr<FJsonValue>(Array) : nullptr;
    }
    bool ParseString(FString &Out)
    {
        if (!Take("\""))
            return false;
        std::string Value;
        for (; At < Text.size() && Text[At] != '"'; At++) {
            if (Text[At] != '\\') {
                Value += Text[At];
                continue;
            }
            if (++At == Text.size())
                return false;
            static const char From[] = "\"\\/bfnrt", To[] = "\"\\/\b\f\n\r\t";
            if (const char *Found = std::strchr(From, Text[At])) {
                Value += To[Found - From];
            } else if (Text[At] == 'u' && At + 4 < Text.size()) {
                const auto Code = static_cast<char16_t>(
                    std::strtoul(Text.substr(At + 1, 4).c_str(), nullptr, 16));
                const char16_t Unit[] = {Code, 0};
                Value += ShimToUtf8(Unit);
                At += 4;
            } else {
                return false;
            }
        }
        Out = FString(Value);
        return Take("\"");
    }

    const std::string &Text;
    std::size_t At = 0;
    int Depth = 0;
};

void Write(const FJsonObject &Object, std::string &Out);

void WriteText(const FString &Text, std::string &Out)
{
    Out += '"';
    for (const char Each : Text.ToUtf8()) {
        if (Each == '"' || Each == '\\')
            Out += '\\';
        Out += Each;
    }
    Out += '"';
}

void Write(const FJsonValue &Value, std::string &Out)
{
    char Number[32];
    switch (Value.Type) {
    case EJson::String:
        WriteText(Value.Text, Out);
        break;
    case EJson::Number:
        std::snprintf(Number, sizeof Number, "%.17g", Value.Number);
        Out += Number;
        break;
    case EJson::Boolean:
        Out += Value.bTrue ? "true" : "false";
        break;
    case EJson::Array:
        Out += '[';
        for (int32 Index = 0; Index < Value.List.Num(); Index++) {
            Out += Index == 0 ? "" : ", ";
            Write(*Value.List[Index], Out);
        }
        Out += ']';
        break;
    case EJson::Object:
        Write(*Value.Object, Out);
        break;
    default:
        Out += "null";
    }
}

void Write(const FJsonObject &Object, std::string &Out)
{
    Out += '{';
    bool bFirst = true;
    for (const auto &[Key, Value] : Object.Values) {
        Out += bFirst ? "" : ", ";
        bFirst = false;
        WriteText(Key, Out);
        Out += ": ";
        Write(*Value, Out);
    }
    Out += '}';
}

} // namespace

bool FJsonSerializer::Deserialize(const TSharedRef<ShimJsonReader> &Reader,
                                  TSharedPtr<FJsonObject> &Out)
{
    const std::string Text = Reader->Text.ToUtf8();
    return Parser(Text).ParseAll(Out);
}

bool FJsonSerializer::Serialize(const TSharedRef<FJsonObject> &Object,
                                const TSharedRef<ShimJsonWriter> &Writer)
{
    std::string Text;
    Write(*Object, Text);
    *Writer->Target = FString(Text);
    return true;
}
