// stepper.hpp: a process whose operation is walked through one instruction at a time.
//
// The kernel stops the process after every instruction (PTRACE_SINGLESTEP). What it shares then is
// what SIGKILL at that instruction would leave behind, but for its locks; a real SIGKILL frees
// those.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

// Something that must hold did not, or a process did what it should not.
struct Broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const std::string &text)
{
    if (!holds)
        throw Broken(text);
}

// What a victim and the process that walks it tell each other, outside of every segment.
struct Marks {
    std::atomic<uint32_t> begun, ended; // the operation
    std::atomic<uint32_t> said;         // whatever the operation's own set-up agreed on
    std::atomic<int32_t> result;
    char text[256];

    void begin(); // called by the victim: stops it until it is walked, or let go
    void end()
    {
        ended.store(1);
    }
};

// A child that lives `life`. If it stops at Marks::begin(), its operation can be walked through.
class Victim
{
  public:
    explicit Victim(const std::function<void(Marks &)> &life);
    ~Victim();
    Victim(const Victim &) = delete;
    Victim &operator=(const Victim &) = delete;

    void wait_for_begin();
    bool step(); // one instruction; false: the operation has ended
    // At full speed until this byte of the file changes; false where that cannot be done, or if the
    // operation ended before.
    bool run_to_change(const std::string &path, uint64_t offset);
    bool run_to_system_call(); // its begin or its end; false: the operation has ended
    void go_on();              // at full speed from here
    void kill();               // SIGKILL; returns when nothing of it is left
    void wait_for_end();       // of the process, by itself

    uint64_t num_steps = 0; // instructions of the operation so far
    Marks &marks;

  private:
    bool run_to_stop(int request);
    uint64_t address_of(const std::string &path, uint64_t offset) const;

    pid_t child_ = -1;
};

// Is single-stepping allowed here? Otherwise says why not.
bool can_step(std::string &reason);
