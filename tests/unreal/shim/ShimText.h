// ShimText.h: the engine's text and names; both compare without regard to case.
#pragma once

#include "ShimContainers.h"

namespace ESearchCase
{
enum Type { CaseSensitive, IgnoreCase };
}
namespace ESearchDir
{
enum Type { FromStart, FromEnd };
}

class FString;
bool ShimIsLess(const FString &One, const FString &Other);

class FString
{
  public:
    FString() = default;
    FString(const TCHAR *Text) : Value(Text == nullptr ? u"" : Text)
    {
    }
    FString(int32 Length, const TCHAR *Text) : Value(Text, static_cast<std::size_t>(Length))
    {
    }
    explicit FString(const std::string &Utf8) : Value(ShimFromUtf8(Utf8.data(), Utf8.size()))
    {
    }
    const TCHAR *operator*() const
    {
        return Value.c_str();
    }
    int32 Len() const
    {
        return static_cast<int32>(Value.size());
    }
    bool IsEmpty() const
    {
        return Value.empty();
    }
    void Empty()
    {
        Value.clear();
    }
    bool StartsWith(const TCHAR *Prefix) const
    {
        return Value.starts_with(Prefix);
    }
    bool EndsWith(const TCHAR *Suffix) const
    {
        return Value.ends_with(Suffix);
    }
    bool Contains(const TCHAR *Part) const
    {
        return Value.find(Part) != Value.npos;
    }
    bool IsNumeric() const;
    bool Split(const TCHAR *At, FString *Left, FString *Right,
               ESearchCase::Type Case = ESearchCase::IgnoreCase,
               ESearchDir::Type Dir = ESearchDir::FromStart) const;
    bool RemoveFromStart(const TCHAR *Prefix);
    bool RemoveFromEnd(const TCHAR *Suffix);
    FString TrimStartAndEnd() const;
    template <typename... Args> static FString Printf(const TCHAR *Format, Args... Given)
    {
        return FString(ShimFormat(Format, Given...));
    }
    static FString Join(const TArray<FString> &Parts, const TCHAR *Between);
    FString &operator+=(const FString &Other)
    {
        Value += Other.Value;
        return *this;
    }
    friend FString operator+(FString One, const FString &Other)
    {
        return One += Other;
    }
    friend FString operator+(const TCHAR *One, const FString &Other)
    {
        return FString(One) += Other;
    }
    friend FString operator+(FString One, const TCHAR *Other)
    {
        return One += FString(Other);
    }
    bool operator==(const FString &Other) const; // the engine ignores case here
    bool operator<(const FString &Other) const
    {
        return ShimIsLess(*this, Other);
    }
    std::string ToUtf8() const
    {
        return ShimToUtf8(Value.c_str());
    }

  private:
    std::u16string Value;
};

struct ShimUtf8 {
    explicit ShimUtf8(const TCHAR *Text) : Value(ShimToUtf8(Text))
    {
    }
    operator const char *() const
    {
        return Value.c_str();
    }
    std::string Value;
};
struct FUTF8ToTCHAR {
    FUTF8ToTCHAR(const ANSICHAR *Text, int32 Bytes)
        : Value(ShimFromUtf8(Text, static_cast<std::size_t>(Bytes)))
    {
    }
    int32 Length() const
    {
        return static_cast<int32>(Value.size());
    }
    const TCHAR *Get() const
    {
        return Value.c_str();
    }
    std::u16string Value;
};
struct FTCHARToUTF8 {
    explicit FTCHARToUTF8(const TCHAR *Text) : Value(ShimToUtf8(Text))
    {
    }
    int32 Length() const
    {
        return static_cast<int32>(Value.size());
    }
    const ANSICHAR *Get() const
    {
        return Value.c_str();
    }
    std::string Value;
};
struct ShimTchar {
    explicit ShimTchar(const char *Text) : Value(ShimFromUtf8(Text, std::strlen(Text)))
    {
    }
    operator const TCHAR *() const
    {
        return Value.c_str();
    }
    operator FString() const
    {
        return FString(Value.c_str());
    }
    std::u16string Value;
};
// As the engine's macros: pointers that live until the end of the full expression.
#define TCHAR_TO_UTF8(Text) (static_cast<const char *>(ShimUtf8(Text)))
#define UTF8_TO_TCHAR(Text) (static_cast<const TCHAR *>(ShimTchar(Text)))

struct FCString {
    static int32 Atoi(const TCHAR *Text)
    {
        return std::atoi(ShimToUtf8(Text).c_str());
    }
};

class FName
{
  public:
    FName() = default;
    FName(const TCHAR *Text);
    FString ToString() const
    {
        return Text;
    }
    bool IsNone() const
    {
        return Text.IsEmpty() || Text == FString(u"None");
    }
    bool operator==(const FName &Other) const
    {
        return (IsNone() && Other.IsNone()) || Text == Other.Text;
    }
    bool operator<(const FName &Other) const
    {
        return Text < Other.Text;
    }

  private:
    FString Text;
};
inline const FName NAME_None;
