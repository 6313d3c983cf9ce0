// ShimCore.h: types, text and containers of the engine, as far as the plugin uses them.
//
// TCHAR is char16_t, as on Linux; text that reaches a log is converted to UTF-8. Arrays check their
// indices. What is not here, the plugin does not use.
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

template <typename T> class TArrayView
{
  public:
    TArrayView() = default;
    TArrayView(T *Data, int32 Count) : First(Data), Count(Count)
    {
    }
    template <typename Other>
        requires std::is_same_v<const Other, T> && (!std::is_const_v<Other>)
    TArrayView(const TArrayView<Other> &View) : First(View.GetData()), Count(View.Num())
    {
    }
    T *GetData() const
    {
        return First;
    }
    int32 Num() const
    {
        return Count;
    }
    T &operator[](int32 Index) const
    {
        check(Index >= 0 && Index < Count);
        return First[Index];
    }
    T *begin() const
    {
        return First;
    }
    T *end() const
    {
        return First + Count;
    }

  private:
    T *First = nullptr;
    int32 Count = 0;
};

template <typename T> decltype(auto) ShimDereferenced(T &Value)
{
    if constexpr (requires { *Value; })
        return (*Value);
    else
        return (Value);
}

template <typename T> class TArray
{
  public:
    TArray() = default;
    TArray(std::initializer_list<T> Values) : Items(Values)
    {
    }
    TArray(const T *Values, int32 Count) : Items(Values, Values + Count)
    {
    }
    int32 Num() const
    {
        return static_cast<int32>(Items.size());
    }
    bool IsEmpty() const
    {
        return Items.empty();
    }
    bool IsValidIndex(int32 Index) const
    {
        return Index >= 0 && Index < Num();
    }
    T &operator[](int32 Index)
    {
        check(IsValidIndex(Index));
        return Items[static_cast<std::size_t>(Index)];
    }
    const T &operator[](int32 Index) const
    {
        return const_cast<TArray &>(*this)[Index];
    }
    T &Last()
    {
        return (*this)[Num() - 1];
    }
    int32 Add(T Value)
    {
        Items.push_back(std::move(Value));
        return Num() - 1;
    }
    T &Add_GetRef(T Value)
    {
        Items.push_back(std::move(Value));
        return Items.back();
    }
    T &AddDefaulted_GetRef()
    {
        return Items.emplace_back();
    }
    template <typename... Args> int32 Emplace(Args &&...Given)
    {
        Items.push_back(T(std::forward<Args>(Given)...));
        return Num() - 1;
    }
    int32 AddUnique(T Value)
    {
        const int32 Found = Find(Value);
        return Found != INDEX_NONE ? Found : Add(std::move(Value));
    }
    void Append(const TArray &Other)
    {
        Items.insert(Items.end(), Other.Items.begin(), Other.Items.end());
    }
    template <typename U> int32 Find(const U &Value) const
    {
        const auto Found = std::find(Items.begin(), Items.end(), Value);
        return Found == Items.end() ? INDEX_NONE : static_cast<int32>(Found - Items.begin());
    }
    template <typename U> bool Contains(const U &Value) const
    {
        return Find(Value) != INDEX_NONE;
    }
    template <typename U> int32 Remove(const U &Value)
    {
        return static_cast<int32>(std::erase(Items, Value));
    }
    void RemoveAt(int32 Index)
    {
        Items.erase(Items.begin() + Index);
    }
    template <typename Before> void Sort(Before IsBefore)
    {
        std::sort(Items.begin(), Items.end(), [&](const T &One, const T &Other) {
            return IsBefore(ShimDereferenced(One), ShimDereferenced(Other));
        });
    }
    void Reset()
    {
        Items.clear();
    }
    void Empty()
    {
        Items.clear();
    }
    void SetNum(int32 Count)
    {
        Items.resize(static_cast<std::size_t>(Count));
    }
    void SetNumZeroed(int32 Count)
    {
        Items.resize(static_cast<std::size_t>(Count));
    }
    void SetNumUninitialized(int32 Count)
    {
        Items.resize(static_cast<std::size_t>(Count));
    }
    T *GetData()
    {
        return Items.data();
    }
    const T *GetData() const
    {
        return Items.data();
    }
    bool operator==(const TArray &Other) const
    {
        return Items == Other.Items;
    }
    bool operator!=(const TArray &Other) const
    {
        return !(Items == Other.Items);
    }
    auto begin()
    {
        return Items.begin();
    }
    auto end()
    {
        return Items.end();
    }
    auto begin() const
    {
        return Items.begin();
    }
    auto end() const
    {
        return Items.end();
    }
    operator TArrayView<T>()
    {
        return {GetData(), Num()};
    }
    operator TArrayView<const T>() const
    {
        return {GetData(), Num()};
    }

  private:
    std::vector<T> Items;
};

template <typename K, typename V> struct TPair {
    K Key;
    V Value;
    TPair() = default;
    TPair(K InKey, V InValue) : Key(std::move(InKey)), Value(std::move(InValue))
    {
    }
    bool operator==(const TPair &Other) const
    {
        return Key == Other.Key && Value == Other.Value;
    }
};
template <typename K, typename V> using TTuple = TPair<K, V>;

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
    bool Split(const TCHAR *At, FString *Left, FString *Right) const;
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

template <typename T> class TSet
{
  public:
    void Add(T Value, bool *bIsAlreadyInSet = nullptr)
    {
        const bool bNew = Items.insert(std::move(Value)).second;
        if (bIsAlreadyInSet != nullptr)
            *bIsAlreadyInSet = !bNew;
    }
    bool Contains(const T &Value) const
    {
        return Items.count(Value) > 0;
    }
    int32 Num() const
    {
        return static_cast<int32>(Items.size());
    }

  private:
    std::set<T> Items;
};

template <typename K, typename V> class TMap
{
  public:
    V &Add(K Key)
    {
        return Add(std::move(Key), V());
    }
    V &Add(K Key, V Value)
    {
        for (TPair<K, V> &Pair : Items)
            if (Pair.Key == Key) {
                Pair.Value = std::move(Value);
                return Pair.Value;
            }
        Items.emplace_back(std::move(Key), std::move(Value));
        return Items.back().Value;
    }
    const V *Find(const K &Key) const
    {
        for (const TPair<K, V> &Pair : Items)
            if (Pair.Key == Key)
                return &Pair.Value;
        return nullptr;
    }
    V *Find(const K &Key)
    {
        return const_cast<V *>(std::as_const(*this).Find(Key));
    }
    bool Contains(const K &Key) const
    {
        return Find(Key) != nullptr;
    }
    V FindRef(const K &Key) const
    {
        const V *Found = Find(Key);
        return Found == nullptr ? V() : *Found;
    }
    void Append(const TMap &Other)
    {
        for (const TPair<K, V> &Pair : Other)
            Add(Pair.Key, Pair.Value);
    }
    void Reset()
    {
        Items.clear();
    }
    int32 Num() const
    {
        return static_cast<int32>(Items.size());
    }
    auto begin()
    {
        return Items.begin();
    }
    auto end()
    {
        return Items.end();
    }
    auto begin() const
    {
        return Items.begin();
    }
    auto end() const
    {
        return Items.end();
    }

  private:
    std::vector<TPair<K, V>> Items;
};

template <typename T> class TSharedRef;
template <typename T> class TSharedPtr
{
  public:
    TSharedPtr() = default;
    TSharedPtr(std::nullptr_t)
    {
    }
    TSharedPtr(std::shared_ptr<T> Pointer) : Pointer(std::move(Pointer))
    {
    }
    template <typename U> TSharedPtr(const TSharedPtr<U> &Other) : Pointer(Other.Pointer)
    {
    }
    template <typename U> TSharedPtr(const TSharedRef<U> &Other) : Pointer(Other.Pointer)
    {
    }
    bool IsValid() const
    {
        return Pointer != nullptr;
    }
    T *Get() const
    {
        return Pointer.get();
    }
    T *operator->() const
    {
        check(IsValid());
        return Pointer.get();
    }
    T &operator*() const
    {
        check(IsValid());
        return *Pointer;
    }
    explicit operator bool() const
    {
        return IsValid();
    }
    void Reset()
    {
        Pointer.reset();
    }
    TSharedRef<T> ToSharedRef() const
    {
        return TSharedRef<T>(Pointer);
    }
    std::shared_ptr<T> Pointer;
};
template <typename T> class TSharedRef
{
  public:
    explicit TSharedRef(std::shared_ptr<T> Pointer) : Pointer(std::move(Pointer))
    {
        check(this->Pointer != nullptr);
    }
    template <typename U> TSharedRef(const TSharedRef<U> &Other) : Pointer(Other.Pointer)
    {
    }
    T *operator->() const
    {
        return Pointer.get();
    }
    T &operator*() const
    {
        return *Pointer;
    }
    T &Get() const
    {
        return *Pointer;
    }
    std::shared_ptr<T> Pointer;
};
template <typename T> class TSharedFromThis : public std::enable_shared_from_this<T>
{
  public:
    TSharedRef<T> AsShared()
    {
        return TSharedRef<T>(this->shared_from_this());
    }
};
template <typename T, typename... Args> TSharedRef<T> MakeShared(Args &&...Given)
{
    return TSharedRef<T>(std::make_shared<T>(std::forward<Args>(Given)...));
}

template <typename T> class TUniquePtr
{
  public:
    TUniquePtr() = default;
    TUniquePtr(std::nullptr_t)
    {
    }
    explicit TUniquePtr(T *Pointer) : Pointer(Pointer)
    {
    }
    template <typename U> TUniquePtr(TUniquePtr<U> &&Other) : Pointer(std::move(Other.Pointer))
    {
    }
    bool IsValid() const
    {
        return Pointer != nullptr;
    }
    T *Get() const
    {
        return Pointer.get();
    }
    T *operator->() const
    {
        check(IsValid());
        return Pointer.get();
    }
    T &operator*() const
    {
        return *Pointer;
    }
    explicit operator bool() const
    {
        return IsValid();
    }
    void Reset()
    {
        Pointer.reset();
    }
    std::unique_ptr<T> Pointer;
};
template <typename T, typename... Args> TUniquePtr<T> MakeUnique(Args &&...Given)
{
    return TUniquePtr<T>(new T(std::forward<Args>(Given)...));
}

template <typename T> using TFunction = std::function<T>;
template <typename T> using TFunctionRef = const std::function<T> &;

struct FMemory {
    static void *Memcpy(void *Target, const void *Source, SIZE_T Bytes)
    {
        return Bytes == 0 ? Target : std::memcpy(Target, Source, Bytes);
    }
    static void Memzero(void *Target, SIZE_T Bytes)
    {
        std::memset(Target, 0, Bytes);
    }
};

class FTimespan
{
  public:
    static FTimespan Zero()
    {
        return FTimespan(0);
    }
    static FTimespan FromMilliseconds(double Count)
    {
        return FTimespan(static_cast<int64>(Count * 10000));
    }
    int64 GetTicks() const
    {
        return Ticks;
    } // of 100 nanoseconds

  private:
    explicit FTimespan(int64 Ticks) : Ticks(Ticks)
    {
    }
    int64 Ticks;
};

enum class EEventMode { AutoReset, ManualReset };
class FEvent
{
  public:
    void Trigger();
    bool Wait(FTimespan Time);

  private:
    std::mutex Mutex;
    std::condition_variable Changed;
    bool bTriggered = false;
};
class FEventRef
{
  public:
    explicit FEventRef(EEventMode)
    {
    }
    FEvent *operator->()
    {
        return &Event;
    }

  private:
    FEvent Event;
};
class FCriticalSection
{
  public:
    void Lock()
    {
        Mutex.lock();
    }
    void Unlock()
    {
        Mutex.unlock();
    }

  private:
    std::recursive_mutex Mutex;
};
class FScopeLock
{
  public:
    explicit FScopeLock(FCriticalSection *Section) : Section(Section)
    {
        Section->Lock();
    }
    ~FScopeLock()
    {
        Section->Unlock();
    }

  private:
    FCriticalSection *Section;
};

class FDelegateHandle
{
  public:
    bool IsValid() const
    {
        return Number != 0;
    }
    int64 Number = 0;
};
template <typename... Args> class TMulticastDelegate
{
  public:
    template <typename T> FDelegateHandle AddUObject(T *Object, void (T::*Method)(Args...))
    {
        return Bind(Object, [Object, Method](Args... Given) { (Object->*Method)(Given...); });
    }
    template <typename T, typename... Bound>
    FDelegateHandle AddRaw(T *Object, void (T::*Method)(Args...))
    {
        return Bind(Object, [Object, Method](Args... Given) { (Object->*Method)(Given...); });
    }
    template <typename F> FDelegateHandle AddLambda(F Function)
    {
        return Bind(nullptr, Function);
    }
    template <typename T> void AddDynamic(T *Object, void (T::*Method)(Args...))
    {
        AddUObject(Object, Method);
    }
    void RemoveAll(const void *Object)
    {
        for (Entry &Each : Entries)
            if (Each.Object == Object)
                Each.Function = nullptr;
    }
    void Remove(FDelegateHandle Handle)
    {
        for (Entry &Each : Entries)
            if (Each.Number == Handle.Number)
                Each.Function = nullptr;
    }
    // Handlers may remove themselves and others meanwhile.
    void Broadcast(Args... Given)
    {
        for (std::size_t Index = 0; Index < Entries.size(); Index++)
            if (const auto Function = Entries[Index].Function)
                Function(Given...);
    }

  private:
    struct Entry {
        const void *Object;
        std::function<void(Args...)> Function;
        int64 Number;
    };
    FDelegateHandle Bind(const void *Object, std::function<void(Args...)> Function)
    {
        static int64 Count = 0;
        Entries.push_back({Object, std::move(Function), ++Count});
        FDelegateHandle Handle;
        Handle.Number = Count;
        return Handle;
    }
    std::vector<Entry> Entries;
};
#define DECLARE_DYNAMIC_MULTICAST_DELEGATE_OneParam(Name, Type, Parameter)                         \
    class Name : public TMulticastDelegate<Type>                                                   \
    {                                                                                              \
    }

void ShimLog(const char *Category, const char *Verbosity, const std::string &Text);
#define DECLARE_LOG_CATEGORY_EXTERN(Category, Default, Most) extern const char *const Category
#define DEFINE_LOG_CATEGORY(Category) const char *const Category = #Category
#define DEFINE_LOG_CATEGORY_STATIC(Category, Default, Most)                                        \
    static const char *const Category = #Category
#define UE_LOG(Category, Verbosity, Format, ...)                                                   \
    ShimLog(Category, #Verbosity, ShimFormat(Format __VA_OPT__(, ) __VA_ARGS__))
