// ShimJson.h: the engine's JSON objects, reader and writer, as far as the plugin uses them.
#pragma once

#include "ShimCore.h"

class FJsonObject;
enum class EJson { None, Null, String, Number, Boolean, Array, Object };

class FJsonValue
{
  public:
    virtual ~FJsonValue() = default;
    EJson Type = EJson::Null;
    FString Text;
    double Number = 0.0;
    bool bTrue = false;
    TArray<TSharedPtr<FJsonValue>> List;
    TSharedPtr<FJsonObject> Object;

    bool IsNull() const
    {
        return Type == EJson::Null;
    }
    double AsNumber() const
    {
        return Number;
    }
    bool TryGetString(FString &Value) const;
    bool TryGetNumber(double &Value) const;
    bool TryGetBool(bool &bValue) const;
    bool TryGetArray(const TArray<TSharedPtr<FJsonValue>> *&Value) const;
    bool TryGetObject(const TSharedPtr<FJsonObject> *&Value) const;
};
class FJsonValueNumber : public FJsonValue
{
  public:
    explicit FJsonValueNumber(double Value)
    {
        Type = EJson::Number;
        Number = Value;
    }
};
class FJsonValueString : public FJsonValue
{
  public:
    explicit FJsonValueString(const FString &Value)
    {
        Type = EJson::String;
        Text = Value;
    }
};
class FJsonValueArray : public FJsonValue
{
  public:
    explicit FJsonValueArray(const TArray<TSharedPtr<FJsonValue>> &Values)
    {
        Type = EJson::Array;
        List = Values;
    }
};
class FJsonValueObject : public FJsonValue
{
  public:
    explicit FJsonValueObject(TSharedPtr<FJsonObject> Value)
    {
        Type = EJson::Object;
        Object = Value;
    }
};

class FJsonObject
{
  public:
    TMap<FString, TSharedPtr<FJsonValue>> Values;

    bool HasField(const TCHAR *Key) const
    {
        return Values.Contains(Key);
    }
    TSharedPtr<FJsonValue> TryGetField(const TCHAR *Key) const
    {
        return Values.FindRef(Key);
    }
    bool TryGetStringField(const TCHAR *Key, FString &Value) const;
    bool TryGetNumberField(const TCHAR *Key, double &Value) const;
    bool TryGetBoolField(const TCHAR *Key, bool &bValue) const;
    bool TryGetArrayField(const TCHAR *Key, const TArray<TSharedPtr<FJsonValue>> *&Value) const;
    bool TryGetObjectField(const TCHAR *Key, const TSharedPtr<FJsonObject> *&Value) const;
    void SetStringField(const FString &Key, const FString &Value);
    void SetNumberField(const FString &Key, double Value);
    void SetBoolField(const FString &Key, bool bValue);
    void SetArrayField(const FString &Key, const TArray<TSharedPtr<FJsonValue>> &Value);
    void SetObjectField(const FString &Key, TSharedPtr<FJsonObject> Value);
};

struct ShimJsonReader {
    FString Text;
};
struct ShimJsonWriter {
    FString *Target;
};
template <typename = TCHAR> struct TJsonReaderFactory {
    static TSharedRef<ShimJsonReader> Create(const FString &Text)
    {
        return MakeShared<ShimJsonReader>(ShimJsonReader{Text});
    }
};
template <typename = TCHAR> struct TJsonWriterFactory {
    static TSharedRef<ShimJsonWriter> Create(FString *Target)
    {
        return MakeShared<ShimJsonWriter>(ShimJsonWriter{Target});
    }
};
struct FJsonSerializer {
    static bool Deserialize(const TSharedRef<ShimJsonReader> &Reader, TSharedPtr<FJsonObject> &Out);
    static bool Serialize(const TSharedRef<FJsonObject> &Object,
                          const TSharedRef<ShimJsonWriter> &Writer);
};
