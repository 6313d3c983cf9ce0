// ShimEvents.h: time, threads' events and locks, delegates, and the log.
#pragma once

#include "ShimPointers.h"

namespace ETimespan
{
constexpr int64 NanosecondsPerTick = 100;
}
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
    bool operator>(const FTimespan &Other) const
    {
        return Ticks > Other.Ticks;
    }

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
    EEventMode Mode = EEventMode::ManualReset;

  private:
    std::mutex Mutex;
    std::condition_variable Changed;
    bool bTriggered = false;
};
class FEventRef
{
  public:
    explicit FEventRef(EEventMode Mode)
    {
        Event.Mode = Mode;
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
