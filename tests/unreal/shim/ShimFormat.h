// ShimFormat.h: types, macros and formats of the engine, as far as the plugin uses them.
//
// TCHAR is char16_t, as on Linux; text that reaches a log is converted to UTF-8.  What is not here,
// the plugin does not use.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using int8 = std::int8_t;
using uint8 = std::uint8_t;
using int16 = std::int16_t;
using uint16 = std::uint16_t;
using int32 = std::int32_t;
using uint32 = std::uint32_t;
using int64 = std::int64_t;
using uint64 = std::uint64_t;
using SIZE_T = std::size_t;
using TCHAR = char16_t;
using ANSICHAR = char;

#define TEXT_PASTE(x) u##x
#define TEXT(x) TEXT_PASTE(x)
#define UERLSHM_API
#define THIRD_PARTY_INCLUDES_START
#define THIRD_PARTY_INCLUDES_END
#define MIN_int32 INT32_MIN
#define MAX_int32 INT32_MAX
#define PLATFORM_LINUX 1
#define WITH_EDITOR 0
#define UE_VERSION_OLDER_THAN(Major, Minor, Patch) 0
enum { INDEX_NONE = -1 };

[[noreturn]] void ShimFatal(const char *What);
#define check(Expression)                                                                          \
    do {                                                                                           \
        if (!(Expression))                                                                         \
            ShimFatal("check failed: " #Expression);                                               \
    } while (0)
#define checkf(Expression, Format, ...) check(Expression)

template <typename T> std::remove_reference_t<T> &&MoveTemp(T &&Value)
{
    return static_cast<std::remove_reference_t<T> &&>(Value);
}

class FNoncopyable
{
  protected:
    FNoncopyable() = default;
    FNoncopyable(const FNoncopyable &) = delete;
    FNoncopyable &operator=(const FNoncopyable &) = delete;
};

std::string ShimToUtf8(const TCHAR *Text);
std::u16string ShimFromUtf8(const char *Text, std::size_t Bytes);

// What a variadic format takes: numbers, pointers, and TCHAR text; never a class.
template <typename T> struct TShimArgument {
    static_assert(!std::is_class_v<T>, "a format takes no object: use *Text");
    static_assert(!std::is_same_v<T, const char *> && !std::is_same_v<T, char *>,
                  "a format takes TCHAR text: use UTF8_TO_TCHAR");
    T Value;
    T Get() const
    {
        return Value;
    }
};
template <> struct TShimArgument<const TCHAR *> {
    explicit TShimArgument(const TCHAR *Text) : Value(ShimToUtf8(Text))
    {
    }
    std::string Value;
    const char *Get() const
    {
        return Value.c_str();
    }
};
template <> struct TShimArgument<TCHAR *> : TShimArgument<const TCHAR *> {
    using TShimArgument<const TCHAR *>::TShimArgument;
};

template <typename... Args> std::string ShimFormatUtf8(const char *Format, const Args &...Given)
{
    const int Length = std::snprintf(nullptr, 0, Format, Given...);
    std::string Text(static_cast<std::size_t>(Length) + 1, '\0');
    std::snprintf(Text.data(), Text.size(), Format, Given...);
    Text.pop_back();
    return Text;
}
inline std::string ShimFormatUtf8(const char *Format)
{
    return ShimFormatUtf8("%s", Format);
}
template <typename... Args> std::string ShimFormat(const TCHAR *Format, Args... Given)
{
    if constexpr (sizeof...(Args) == 0)
        return ShimToUtf8(Format);
    else
        return [&](const auto &...Held) {
            return ShimFormatUtf8(ShimToUtf8(Format).c_str(), Held.Get()...);
        }(TShimArgument<Args>{Given}...);
}
