// ShimAutomation.h: automation tests, and -ExecCmds="Automation RunTests FILTER; Quit" runs them.
#pragma once

#include "ShimPlatform.h"

#define WITH_DEV_AUTOMATION_TESTS 1
enum class EAutomationTestFlags : uint32 { ProductFilter = 1 << 26 };
constexpr EAutomationTestFlags EAutomationTestFlags_ApplicationContextMask{0xf};
constexpr EAutomationTestFlags operator|(EAutomationTestFlags One, EAutomationTestFlags Other)
{
    return static_cast<EAutomationTestFlags>(static_cast<uint32>(One) | static_cast<uint32>(Other));
}

class FAutomationTestBase
{
  public:
    explicit FAutomationTestBase(const char *Given) : Name(Given)
    {
        All().push_back(this);
    }
    virtual ~FAutomationTestBase() = default;
    virtual bool RunTest(const FString &Parameters) = 0;
    bool TestTrue(const TCHAR *What, bool bValue)
    {
        if (!bValue) {
            NumErrors++;
            ShimLog("LogAutomationController", "Error",
                    "Expected '" + ShimToUtf8(What) + "' to be true.");
        }
        return bValue;
    }
    static std::vector<FAutomationTestBase *> &All()
    {
        static std::vector<FAutomationTestBase *> Tests;
        return Tests;
    }
    std::string Name;
    int NumErrors = 0;
};
#define IMPLEMENT_SIMPLE_AUTOMATION_TEST(TClass, PrettyName, TFlags)                               \
    class TClass : public FAutomationTestBase                                                      \
    {                                                                                              \
      public:                                                                                      \
        using FAutomationTestBase::FAutomationTestBase;                                            \
        bool RunTest(const FString &Parameters) override;                                          \
        static constexpr EAutomationTestFlags Flags = TFlags;                                      \
    };                                                                                             \
    static TClass TClass##Instance(PrettyName);

// What the command asks for is run; -1: it asks for nothing, else how many tests failed.
inline int ShimRunAutomation(const FString &CommandLine)
{
    static const std::string Command = "Automation RunTests ";
    const std::string Line = CommandLine.ToUtf8();
    const std::size_t At = Line.find(Command);
    if (At == Line.npos)
        return -1;
    const std::size_t Begin = At + Command.size();
    const std::string Filter = Line.substr(Begin, Line.find_first_of("; \"", Begin) - Begin);
    int NumRun = 0, NumFailed = 0;
    for (FAutomationTestBase *Test : FAutomationTestBase::All()) {
        if (Test->Name.rfind(Filter, 0) != 0)
            continue;
        const bool bPassed = Test->RunTest(FString()) && Test->NumErrors == 0;
        NumRun++;
        NumFailed += bPassed ? 0 : 1;
        ShimLog("LogAutomationController", bPassed ? "Display" : "Error",
                "Test Completed. Result={" + std::string(bPassed ? "Success" : "Fail") +
                    "} Name={" + Test->Name + "}");
    }
    std::printf("Shim: automation run=%d failed=%d\n", NumRun, NumFailed);
    std::fflush(stdout);
    return NumRun == 0 ? 1 : NumFailed;
}
