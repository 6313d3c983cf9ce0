// ShimPlatform.cpp: named memory as UnixPlatformMemory does it, and the rest of the platform.
#include "ShimPlatform.h"

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ShimHost.h"

void ShimFatal(const char *What)
{
    std::fprintf(stderr, "shim: %s\n", What);
    std::fflush(nullptr);
    std::abort();
}

void ShimLog(const char *Category, const char *Verbosity, const std::string &Text)
{
    std::printf("%s: %s: %s\n", Category, Verbosity, Text.c_str());
    std::fflush(stdout);
    if (std::strcmp(Verbosity, "Fatal") == 0)
        ShimFatal("a fatal log line");
}

std::string ShimToUtf8(const TCHAR *Text)
{
    std::string Out;
    for (; Text != nullptr && *Text != 0; Text++) {
        char32_t Code = *Text;
        if (Code >= 0xd800 && Code < 0xdc00 && Text[1] != 0)
            Code = 0x10000 + ((Code - 0xd800) << 10) + (*++Text - 0xdc00u);
        if (Code < 0x80) {
            Out += static_cast<char>(Code);
        } else if (Code < 0x800) {
            Out += static_cast<char>(0xc0 | Code >> 6);
            Out += static_cast<char>(0x80 | (Code & 63));
        } else if (Code < 0x10000) {
            Out += static_cast<char>(0xe0 | Code >> 12);
            Out += static_cast<char>(0x80 | (Code >> 6 & 63));
            Out += static_cast<char>(0x80 | (Code & 63));
        } else {
            Out += static_cast<char>(0xf0 | Code >> 18);
            Out += static_cast<char>(0x80 | (Code >> 12 & 63));
            Out += static_cast<char>(0x80 | (Code >> 6 & 63));
            Out += static_cast<char>(0x80 | (Code & 63));
        }
    }
    return Out;
}

std::u16string ShimFromUtf8(const char *Text, std::size_t Bytes)
{
    std::u16string Out;
    for (std::size_t At = 0; At < Bytes;) {
        const auto First = static_cast<unsigned char>(Text[At]);
        const std::size_t More = First < 0x80 ? 0 : First < 0xe0 ? 1 : First < 0xf0 ? 2 : 3;
        char32_t Code = More == 0 ? First : First & (0x3f >> More);
        for (std::size_t Each = 1; Each <= More && At + Each < Bytes; Each++)
            Code = Code << 6 | (static_cast<unsigned char>(Text[At + Each]) & 63);
        if (Code >= 0x10000) {
            Out += static_cast<char16_t>(0xd800 + ((Code - 0x10000) >> 10));
            Code = 0xdc00 + ((Code - 0x10000) & 0x3ff);
        }
        Out += static_cast<char16_t>(Code);
        At += More + 1;
    }
    return Out;
}

static std::string Lower(std::string Text)
{
    for (char &Each : Text)
        Each = static_cast<char>(std::tolower(static_cast<unsigned char>(Each)));
    return Text;
}

bool ShimIsLess(const FString &One, const FString &Other)
{
    return Lower(One.ToUtf8()) < Lower(Other.ToUtf8());
}
bool FString::operator==(const FString &Other) const
{
    return Len() == Other.Len() && Lower(ToUtf8()) == Lower(Other.ToUtf8());
}
bool FString::IsNumeric() const
{
    const std::string Text = ToUtf8();
    return !Text.empty() && Text.find_first_not_of("0123456789.-+") == Text.npos;
}
bool FString::Split(const TCHAR *At, FString *Left, FString *Right, ESearchCase::Type,
                    ESearchDir::Type Dir) const
{
    const std::size_t Found = Dir == ESearchDir::FromEnd ? Value.rfind(At) : Value.find(At);
    if (Found == Value.npos)
        return false;
    const std::u16string Whole = Value;
    *Left = FString(Whole.substr(0, Found).c_str());
    *Right = FString(Whole.substr(Found + std::u16string(At).size()).c_str());
    return true;
}
bool FString::RemoveFromStart(const TCHAR *Prefix)
{
    const bool bHas = StartsWith(Prefix);
    Value.erase(0, bHas ? std::u16string(Prefix).size() : 0);
    return bHas;
}
bool FString::RemoveFromEnd(const TCHAR *Suffix)
{
    const bool bHas = EndsWith(Suffix);
    Value.resize(Value.size() - (bHas ? std::u16string(Suffix).size() : 0));
    return bHas;
}
FString FString::TrimStartAndEnd() const
{
    std::string Text = ToUtf8();
    const std::size_t Begin = Text.find_first_not_of(" \t\r\n");
    const std::size_t End = Text.find_last_not_of(" \t\r\n");
    return FString(Begin == Text.npos ? std::string() : Text.substr(Begin, End - Begin + 1));
}
FString FString::Join(const TArray<FString> &Parts, const TCHAR *Between)
{
    FString Whole;
    for (int32 Index = 0; Index < Parts.Num(); Index++)
        Whole += (Index == 0 ? FString() : FString(Between)) + Parts[Index];
    return Whole;
}
FName::FName(const TCHAR *Given) : Text(Given)
{
}

void FEvent::Trigger()
{
    const std::lock_guard Lock(Mutex);
    bTriggered = true;
    Changed.notify_all();
}
bool FEvent::Wait(FTimespan Time)
{
    std::unique_lock Lock(Mutex);
    const bool bCame = Changed.wait_for(Lock, std::chrono::nanoseconds(Time.GetTicks() * 100),
                                        [this] { return bTriggered; });
    bTriggered = bTriggered && Mode == EEventMode::ManualReset;
    return bCame;
}

// facts: open without O_EXCL and O_TRUNC, mode 0666 less the umask; bCreate truncates whatever it
// has opened; nothing looks at the file's size; what bCreate mapped is unlinked when unmapped.
FPlatformMemory::FSharedMemoryRegion *
FPlatformMemory::MapNamedSharedMemoryRegion(const FString &Name, bool bCreate, uint32 AccessMode,
                                            SIZE_T Size)
{
    check(AccessMode != 0);
    const bool bReads = AccessMode & static_cast<uint32>(ESharedMemoryAccess::Read);
    const bool bWrites = AccessMode & static_cast<uint32>(ESharedMemoryAccess::Write);
    const SIZE_T Page = ShimHost::Get().PageBytes;
    const SIZE_T Bytes = (Size + Page - 1) / Page * Page;
    const int Flags = (bCreate ? O_CREAT : 0) | (bReads && bWrites ? O_RDWR
                                                 : bWrites         ? O_WRONLY
                                                                   : O_RDONLY);
    const std::string Path = "/" + Name.ToUtf8();
    ShimHost::Get().Maps.push_back({Name.ToUtf8(), bCreate, bReads, bWrites, Size});
    const int File = shm_open(Path.c_str(), Flags, 0666);
    if (File < 0) {
        ShimLog("LogHAL", "Warning", "shm_open failed: " + std::string(std::strerror(errno)));
        return nullptr;
    }
    if (bCreate && ftruncate(File, static_cast<off_t>(Bytes)) != 0) {
        shm_unlink(Path.c_str());
        return nullptr; // with the file still open, as the engine does
    }
    void *Address = mmap(nullptr, Bytes, (bReads ? PROT_READ : 0) | (bWrites ? PROT_WRITE : 0),
                         MAP_SHARED, File, 0);
    if (Address == MAP_FAILED) {
        if (bCreate)
            shm_unlink(Path.c_str());
        return nullptr; // with the file still open, as the engine does
    }
    auto *Region = new FSharedMemoryRegion;
    Region->Name = (FString(u"/") + Name).ToUtf8().empty() ? u"" : *(FString(u"/") + Name);
    Region->Name.resize(std::min<std::size_t>(Region->Name.size(), 127));
    Region->Address = Address;
    Region->Bytes = Bytes;
    Region->File = File;
    Region->bCreated = bCreate;
    return Region;
}

bool FPlatformMemory::UnmapNamedSharedMemoryRegion(FSharedMemoryRegion *Region)
{
    bool bGood = munmap(Region->Address, Region->Bytes) == 0;
    bGood = close(Region->File) == 0 && bGood;
    if (Region->bCreated)
        bGood = shm_unlink(ShimToUtf8(Region->Name.c_str()).c_str()) == 0 && bGood;
    delete Region;
    return bGood;
}

void FPlatformProcess::SleepNoStats(float Seconds)
{
    usleep(static_cast<useconds_t>(Seconds * 1e6f));
}
double FPlatformTime::Seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}
FString FPlatformMisc::GetEnvironmentVariable(const TCHAR *Name)
{
    const char *Value = std::getenv(ShimToUtf8(Name).c_str());
    return Value == nullptr ? FString() : FString(std::string(Value));
}
void FPlatformMisc::RequestExitWithStatus(bool Force, uint8 ReturnCode)
{
    ShimHost::Get().ExitCode = ReturnCode;
    ShimHost::Get().bExitRequested = true;
    if (Force)
        std::_Exit(ReturnCode);
}
bool IsEngineExitRequested()
{
    return ShimHost::Get().bExitRequested;
}
void RequestEngineExit(const TCHAR *Reason)
{
    ShimLog("LogCore", "Display", "Engine exit requested (reason: " + ShimToUtf8(Reason) + ")");
    ShimHost::Get().bExitRequested = true;
}

static std::u16string CommandLine;
const TCHAR *FCommandLine::Get()
{
    return CommandLine.c_str();
}
bool FCommandLine::Set(const TCHAR *Text)
{
    CommandLine = Text;
    return true;
}

// A word's start, any case; the value ends at white space, a comma or a bracket unless quoted.
bool FParse::Value(const TCHAR *Stream, const TCHAR *Match, FString &Out)
{
    const std::string Text = ShimToUtf8(Stream), Wanted = Lower(ShimToUtf8(Match));
    const std::string Folded = Lower(Text);
    for (std::size_t At = Folded.find(Wanted); At != Folded.npos;
         At = Folded.find(Wanted, At + 1)) {
        if (At > 0 && std::isalnum(static_cast<unsigned char>(Folded[At - 1])))
            continue;
        const std::size_t Begin = At + Wanted.size();
        if (Begin < Text.size() && Text[Begin] == '"') {
            Out = FString(Text.substr(Begin + 1, Text.find('"', Begin + 1) - Begin - 1));
            return true;
        }
        Out = FString(Text.substr(Begin, Text.find_first_of(" \t\r\n,)", Begin) - Begin));
        return true;
    }
    return false;
}
bool FParse::Value(const TCHAR *Stream, const TCHAR *Match, int32 &Out)
{
    FString Text;
    if (!Value(Stream, Match, Text))
        return false;
    Out = std::atoi(Text.ToUtf8().c_str());
    return true;
}
bool FParse::Value(const TCHAR *Stream, const TCHAR *Match, double &Out)
{
    FString Text;
    if (!Value(Stream, Match, Text))
        return false;
    Out = std::atof(Text.ToUtf8().c_str());
    return true;
}
bool FParse::Param(const TCHAR *Stream, const TCHAR *Name)
{
    const std::string Text = Lower(ShimToUtf8(Stream)) + " ";
    return Text.find("-" + Lower(ShimToUtf8(Name)) + " ") != Text.npos;
}

bool FFileHelper::SaveStringToFile(const FString &Text, const TCHAR *Path, EEncodingOptions)
{
    std::ofstream File(ShimToUtf8(Path), std::ios::binary);
    File << Text.ToUtf8();
    File.close();
    return !File.fail();
}
bool FFileHelper::LoadFileToArray(TArray<uint8> &Bytes, const TCHAR *Path)
{
    std::ifstream File(ShimToUtf8(Path), std::ios::binary);
    if (!File)
        return false;
    const std::string Text(std::istreambuf_iterator<char>(File), {});
    Bytes = TArray<uint8>(reinterpret_cast<const uint8 *>(Text.data()),
                          static_cast<int32>(Text.size()));
    return true;
}
bool FFileHelper::LoadFileToString(FString &Text, const TCHAR *Path)
{
    TArray<uint8> Bytes;
    if (!LoadFileToArray(Bytes, Path))
        return false;
    Text = FString(std::string(reinterpret_cast<const char *>(Bytes.GetData()),
                               static_cast<std::size_t>(Bytes.Num())));
    return true;
}

static double FixedDeltaTime = 1.0 / 30.0;
static bool bUsesFixedTimeStep = false;
void FApp::SetFixedDeltaTime(double Seconds)
{
    FixedDeltaTime = Seconds;
}
double FApp::GetFixedDeltaTime()
{
    return FixedDeltaTime;
}
void FApp::SetUseFixedTimeStep(bool bUse)
{
    bUsesFixedTimeStep = bUse;
}
bool FApp::UseFixedTimeStep()
{
    return bUsesFixedTimeStep;
}
bool FApp::CanEverRender()
{
    return !FParse::Param(FCommandLine::Get(), u"nullrhi");
}

IConsoleManager &IConsoleManager::Get()
{
    static IConsoleManager Manager;
    return Manager;
}
IConsoleVariable *IConsoleManager::FindConsoleVariable(const TCHAR *Name)
{
    const auto Found = Variables.find(Lower(ShimToUtf8(Name)));
    return Found == Variables.end() ? nullptr : &Found->second;
}
IConsoleVariable *IConsoleManager::RegisterVariable(const TCHAR *Name, const FString &Value)
{
    IConsoleVariable &Variable = Variables[Lower(ShimToUtf8(Name))];
    Variable.Value = Value;
    return &Variable;
}
void IConsoleManager::RegisterCommand(const TCHAR *Name,
                                      std::function<void(const TArray<FString> &)> Command)
{
    Commands[Lower(ShimToUtf8(Name))] = std::move(Command);
}
// The engine splits arguments at spaces and keeps quotes together.
bool IConsoleManager::ProcessUserConsoleInput(const TCHAR *Line)
{
    const std::string Text = ShimToUtf8(Line);
    const std::size_t End = Text.find(' ');
    const std::string Name = Lower(Text.substr(0, End)),
                      Rest = End == Text.npos ? "" : Text.substr(End + 1);
    if (const auto Command = Commands.find(Name); Command != Commands.end()) {
        TArray<FString> Words;
        std::string Word;
        for (const char Each : Rest + " ") {
            if (Each != ' ') {
                Word += Each;
            } else if (!Word.empty()) {
                Words.Add(FString(Word));
                Word.clear();
            }
        }
        Command->second(Words);
        return true;
    }
    if (const auto Variable = Variables.find(Name); Variable != Variables.end()) {
        Variable->second.Value = FString(Rest);
        return true;
    }
    return false;
}
