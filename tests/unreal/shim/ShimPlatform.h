// ShimPlatform.h: processes, named memory, the command line, the console, exits: behaving as the
// engine's sources say (facts are in the README of this folder).
#pragma once

#include "ShimCore.h"

struct FPlatformMemory {
    enum class ESharedMemoryAccess : uint32 { Read = 1 << 1, Write = 1 << 2 };
    class FSharedMemoryRegion
    {
      public:
        void *GetAddress() const
        {
            return Address;
        }
        SIZE_T GetSize() const
        {
            return Bytes;
        }
        const TCHAR *GetName() const
        {
            return Name.c_str();
        }
        std::u16string Name; // with its leading slash, cut at 127 characters
        void *Address = nullptr;
        SIZE_T Bytes = 0;
        int File = -1;
        bool bCreated = false;
    };
    static FSharedMemoryRegion *MapNamedSharedMemoryRegion(const FString &Name, bool bCreate,
                                                           uint32 AccessMode, SIZE_T Size);
    static bool UnmapNamedSharedMemoryRegion(FSharedMemoryRegion *Region);
};

struct FPlatformAtomics {
    static int64 AtomicRead(const volatile int64 *Source)
    {
        return __atomic_load_n(Source, __ATOMIC_SEQ_CST);
    }
};
struct FPlatformProcess {
    static void SleepNoStats(float Seconds);
    static void Sleep(float Seconds)
    {
        SleepNoStats(Seconds);
    }
};
struct FPlatformTime {
    static double Seconds();
};
struct FPlatformMisc {
    static FString GetEnvironmentVariable(const TCHAR *Name);
    static void RequestExitWithStatus(bool Force, uint8 ReturnCode);
    static void RequestExit(bool Force)
    {
        RequestExitWithStatus(Force, 0);
    }
};
bool IsEngineExitRequested();
void RequestEngineExit(const TCHAR *Reason);
inline bool GIsEditor = false;

struct FCommandLine {
    static const TCHAR *Get();
    static bool Set(const TCHAR *Text);
};
struct FParse {
    static bool Value(const TCHAR *Stream, const TCHAR *Match, FString &Out);
    static bool Value(const TCHAR *Stream, const TCHAR *Match, int32 &Out);
    static bool Value(const TCHAR *Stream, const TCHAR *Match, double &Out);
    static bool Param(const TCHAR *Stream, const TCHAR *Name);
};
struct FFileHelper {
    enum class EEncodingOptions { AutoDetect, ForceUTF8WithoutBOM };
    static bool SaveStringToFile(const FString &Text, const TCHAR *Path, EEncodingOptions);
    static bool LoadFileToString(FString &Text, const TCHAR *Path);
    static bool LoadFileToArray(TArray<uint8> &Bytes, const TCHAR *Path);
};
struct FApp {
    static void SetFixedDeltaTime(double Seconds);
    static double GetFixedDeltaTime();
    static double GetDeltaTime()
    {
        return GetFixedDeltaTime(); // the stand-in knows no other
    }
    static void SetUseFixedTimeStep(bool bUse);
    static bool UseFixedTimeStep();
    static bool CanEverRender();
};

// While one lives the engine does not take a long frame for a hang.
struct FSlowHeartBeatScope {
    FSlowHeartBeatScope()
    {
        Count++;
    }
    ~FSlowHeartBeatScope()
    {
        Count--;
    }
    static inline int Count = 0;
};
struct FDisableHitchDetectorScope {
    FDisableHitchDetectorScope()
    {
        Count++;
    }
    ~FDisableHitchDetectorScope()
    {
        Count--;
    }
    static inline int Count = 0;
};

struct FCoreDelegates {
    static inline TMulticastDelegate<> OnBeginFrame, OnEndFrame, OnEnginePreExit, OnExit;
    static inline TMulticastDelegate<> OnHandleSystemError;
};

enum EConsoleVariableFlags { ECVF_Default, ECVF_SetByCode, ECVF_SetByConsole };
class IConsoleVariable
{
  public:
    void Set(float Number, EConsoleVariableFlags)
    {
        Value = FString::Printf(u"%g", Number);
    }
    void Set(const TCHAR *Text, EConsoleVariableFlags)
    {
        Value = FString(Text);
    }
    float GetFloat() const
    {
        return static_cast<float>(std::atof(Value.ToUtf8().c_str()));
    }
    int32 GetInt() const
    {
        return static_cast<int32>(GetFloat());
    }
    bool GetBool() const
    {
        return GetInt() != 0;
    }
    FString GetString() const
    {
        return Value;
    }
    FString Value;
};
class IConsoleManager
{
  public:
    static IConsoleManager &Get();
    IConsoleVariable *FindConsoleVariable(const TCHAR *Name);
    IConsoleVariable *RegisterVariable(const TCHAR *Name, const FString &Value);
    void RegisterCommand(const TCHAR *Name, std::function<void(const TArray<FString> &)> Command);
    bool ProcessUserConsoleInput(const TCHAR *Line);

  private:
    std::map<std::string, IConsoleVariable> Variables;
    std::map<std::string, std::function<void(const TArray<FString> &)>> Commands;
};
template <typename T> class TAutoConsoleVariable
{
  public:
    TAutoConsoleVariable(const TCHAR *Name, T Default, const TCHAR *)
        : Variable(IConsoleManager::Get().RegisterVariable(Name, ToText(Default)))
    {
    }
    T GetValueOnGameThread() const
    {
        if constexpr (std::is_same_v<T, FString>)
            return Variable->GetString();
        else
            return static_cast<T>(Variable->GetFloat());
    }
    IConsoleVariable *operator->() const
    {
        return Variable;
    }
    IConsoleVariable *AsVariable() const
    {
        return Variable;
    }

  private:
    static FString ToText(const FString &Text)
    {
        return Text;
    }
    static FString ToText(double Number)
    {
        return FString::Printf(u"%g", Number);
    }
    IConsoleVariable *Variable;
};
template <typename... Args> struct TShimConsoleDelegate {
    std::function<void(const TArray<FString> &)> Function;
    template <typename F> static TShimConsoleDelegate CreateStatic(F Given)
    {
        return {[Given](const TArray<FString> &Words) { Given(Words); }};
    }
    template <typename F> static TShimConsoleDelegate CreateLambda(F Given)
    {
        return CreateStatic(Given);
    }
};
using FConsoleCommandWithArgsDelegate = TShimConsoleDelegate<>;
class UWorld;
struct FConsoleCommandWithWorldAndArgsDelegate {
    std::function<void(const TArray<FString> &)> Function;
    static inline UWorld *World = nullptr; // of the console
    template <typename F> static FConsoleCommandWithWorldAndArgsDelegate CreateStatic(F Given)
    {
        return {[Given](const TArray<FString> &Words) { Given(Words, World); }};
    }
};
class FAutoConsoleCommand
{
  public:
    FAutoConsoleCommand(const TCHAR *Name, const TCHAR *, FConsoleCommandWithArgsDelegate Delegate)
    {
        IConsoleManager::Get().RegisterCommand(Name, Delegate.Function);
    }
};
class FAutoConsoleCommandWithWorldAndArgs
{
  public:
    FAutoConsoleCommandWithWorldAndArgs(const TCHAR *Name, const TCHAR *,
                                        FConsoleCommandWithWorldAndArgsDelegate Delegate)
    {
        IConsoleManager::Get().RegisterCommand(Name, Delegate.Function);
    }
};
