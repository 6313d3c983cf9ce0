// stepper.cpp: ptrace, fork and SIGKILL.
#include "stepper.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

Marks &shared_marks()
{
    void *memory =
        mmap(nullptr, sizeof(Marks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw Broken("marks cannot be mapped");
    return *new (memory) Marks{};
}

[[noreturn]] void live(const std::function<void(Marks &)> &life, Marks &marks)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
        snprintf(marks.text, sizeof marks.text, "PTRACE_TRACEME: %s", strerror(errno));
        _exit(3);
    }
    try {
        life(marks);
    } catch (const std::exception &error) {
        strncpy(marks.text, error.what(), sizeof marks.text - 1);
        _exit(2);
    }
    _exit(0);
}

} // namespace

void Marks::begin()
{
    raise(SIGSTOP);
    begun.store(1);
}

Victim::Victim(const std::function<void(Marks &)> &life) : marks(shared_marks())
{
    child_ = fork();
    if (child_ == 0)
        live(life, marks);
    expect(child_ > 0, "fork failed");
}

Victim::~Victim()
{
    if (child_ > 0)
        kill();
    munmap(&marks, sizeof marks);
}

// Lets the child run until it stops next; false: it is gone.
bool Victim::run_to_stop(int request)
{
    int status = 0;
    if (request != 0 && ptrace(static_cast<__ptrace_request>(request), child_, nullptr, 0) != 0)
        throw Broken("process cannot be traced: " + std::string(strerror(errno)));
    while (waitpid(child_, &status, 0) < 0)
        expect(errno == EINTR, "process cannot be waited for");
    if (WIFSTOPPED(status))
        return true;
    child_ = -1;
    return false;
}

void Victim::wait_for_begin()
{
    expect(run_to_stop(0), "process ended before its operation: " + std::string(marks.text));
}

bool Victim::step()
{
    expect(run_to_stop(PTRACE_SINGLESTEP),
           "process ended in its operation: " + std::string(marks.text));
    if (marks.ended.load() != 0)
        return false;
    num_steps += marks.begun.load();
    return true;
}

bool Victim::run_to_system_call()
{
    expect(run_to_stop(PTRACE_SYSCALL),
           "process ended in its operation: " + std::string(marks.text));
    return marks.ended.load() == 0;
}

// Where the file's byte stands in the child's memory; 0: nowhere.
uint64_t Victim::address_of(const std::string &path, uint64_t offset) const
{
    std::ifstream maps("/proc/" + std::to_string(child_) + "/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.size() > path.size() &&
            line.compare(line.size() - path.size(), path.size(), path) == 0)
            return std::stoull(line, nullptr, 16) + offset;
    return 0;
}

bool Victim::run_to_change(const std::string &path, uint64_t offset)
{
#ifdef __x86_64__
    constexpr uint64_t kStoresToOneByte = 1 << 16 | 1; // of debug register 0
    uint64_t address = address_of(path, offset);
    while (address == 0 && run_to_system_call()) // until it is mapped
        address = address_of(path, offset);
    const auto poke = [this](size_t number, uint64_t value) {
        return ptrace(PTRACE_POKEUSER, child_, offsetof(struct user, u_debugreg) + number * 8,
                      value) == 0;
    };
    const auto byte = [this, address] {
        const long word = ptrace(PTRACE_PEEKDATA, child_, address & ~UINT64_C(7), nullptr);
        return static_cast<uint8_t>(static_cast<uint64_t>(word) >> (address % 8 * 8));
    };
    if (address == 0 || !poke(0, address) || !poke(7, kStoresToOneByte))
        return false;
    const uint8_t before = byte();
    while (byte() == before)
        if (!run_to_stop(PTRACE_CONT) || marks.ended.load() != 0)
            return false;
    return poke(7, 0);
#else
    (void)path;
    (void)offset;
    return false;
#endif
}

void Victim::go_on()
{
    expect(ptrace(PTRACE_DETACH, child_, nullptr, 0) == 0, "process cannot be let go");
}

void Victim::kill()
{
    ::kill(child_, SIGKILL);
    int status = 0;
    do {
        while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
        }
    } while (WIFSTOPPED(status));
    child_ = -1;
}

void Victim::wait_for_end()
{
    const bool stopped = run_to_stop(0);
    expect(!stopped && marks.text[0] == '\0', marks.text);
}

bool can_step(std::string &reason)
{
    try {
        Victim victim([](Marks &marks) {
            marks.begin();
            marks.end();
        });
        victim.wait_for_begin();
        while (victim.step()) {
        }
        return true;
    } catch (const Broken &broken) {
        reason = broken.what();
        return false;
    }
}
