// bare_probe.cpp: what a workload costs when nothing but a counter is exchanged.
//
//   bare_probe NUM_ENVS WIDTH HEIGHT CHANNELS STEP_US WAIT_US SECONDS:yield|sleep
//
// Forks the simulators, which share a step's number and a count of those that are done, and no
// protocol, liveness or flow control; each does the work and writes the same bytes as every peer,
// into four rows in turn. Prints the median of one step in nanoseconds: nobody who starts one
// process for each simulator can be much below it.
#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdio>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "probe_row.hpp"

namespace
{

using Word = std::atomic<std::uint32_t>;
constexpr std::uint32_t num_slots = 4;

struct Head {
    alignas(128) Word step;
    alignas(128) Word num_done;
};

bool sleeps;

void wait_while(Word &word, std::uint32_t value)
{
    while (word.load(std::memory_order_acquire) == value)
        if (sleeps)
            syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
        else
            sched_yield();
}

void wake(Word &word)
{
    if (sleeps)
        syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

[[noreturn]] void simulate(Head &head, Probe probe, unsigned char *rows, std::uint32_t num_envs)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (std::uint32_t step = 0;; step++) {
        wait_while(head.step, step);
        probe.answer(rows + step % num_slots * probe.message_bytes());
        if (head.num_done.fetch_add(1) + 1 == num_envs)
            wake(head.num_done);
    }
}

void run_step(Head &head, std::uint32_t num_envs)
{
    head.num_done.store(0);
    head.step.fetch_add(1);
    wake(head.step);
    for (std::uint32_t done; (done = head.num_done.load()) < num_envs;)
        wait_while(head.num_done, done);
}

std::int64_t now_ns()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

// Did every simulator write its last row?
bool is_right(Probe probe, const unsigned char *rows, std::uint32_t steps)
{
    std::vector<unsigned char> expected(probe.message_bytes());
    probe.step_us = probe.wait_us = 0;
    probe.step = steps - 1;
    probe.answer(expected.data());
    rows += (steps - 1) % num_slots * expected.size();
    return std::equal(expected.begin(), expected.end(), rows);
}

} // namespace

int main(int argc, char **argv)
{
    Probe probe(argc, argv);
    const auto num_envs = static_cast<std::uint32_t>(probe.env);
    const double seconds = std::atof(probe.more.c_str());
    sleeps = probe.more.find(":sleep") != std::string::npos;
    const std::size_t env_bytes = num_slots * probe.message_bytes();
    const std::size_t bytes = sizeof(Head) + num_envs * env_bytes;
    void *memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    auto *head = new (memory) Head{};
    unsigned char *rows = static_cast<unsigned char *>(memory) + sizeof(Head);
    for (probe.env = 0; probe.env < num_envs; probe.env++)
        if (fork() == 0)
            simulate(*head, probe, rows + probe.env * env_bytes, num_envs);
    for (int i = 0; i < 100; i++)
        run_step(*head, num_envs);
    std::vector<std::int64_t> times;
    for (const std::int64_t end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);;) {
        const std::int64_t before = now_ns();
        if (before > end && !times.empty())
            break;
        run_step(*head, num_envs);
        times.push_back(now_ns() - before);
    }
    for (probe.env = 0; probe.env < num_envs; probe.env++)
        if (!is_right(probe, rows + probe.env * env_bytes, head->step.load()))
            return 2;
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    std::printf("%lld\n", static_cast<long long>(times[times.size() / 2]));
}
