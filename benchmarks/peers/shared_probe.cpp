// shared_probe.cpp: `uerl-sim probe` behind shared memory as older tools use it.
//
// MORE is NAME for a pair of POSIX semaphores, NAME.asked and NAME.answered, beside the shared
// memory NAME (Holodeck's way); or NAME:poll for a counter that is looked at every millisecond
// (Learning Agents' way). The memory: uint64 asked, uint64 answered, the action, then the message.
#include <atomic>
#include <cstdio>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe_row.hpp"

namespace
{

struct Head {
    std::atomic<std::uint64_t> asked, answered;
    unsigned char action[Probe::action_bytes];
};

void serve_by_semaphores(Probe &probe, const std::string &name, unsigned char *message)
{
    sem_t *asked = sem_open((name + ".asked").c_str(), 0);
    sem_t *answered = sem_open((name + ".answered").c_str(), 0);
    while (sem_wait(asked) == 0) {
        probe.answer(message);
        sem_post(answered);
    }
}

void serve_by_looks(Probe &probe, Head *head, unsigned char *message)
{
    for (std::uint64_t count = 0;; usleep(1000)) {
        if (head->asked.load() == count)
            continue;
        probe.answer(message);
        head->answered.store(++count);
    }
}

} // namespace

int main(int argc, char **argv)
{
    Probe probe(argc, argv);
    const std::string name = "/" + probe.more.substr(0, probe.more.find(':'));
    const int fd = shm_open(name.c_str(), O_RDWR, 0);
    const std::size_t bytes = sizeof(Head) + probe.message_bytes();
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return 1;
    auto *head = static_cast<Head *>(memory);
    unsigned char *message = static_cast<unsigned char *>(memory) + sizeof(Head);
    std::puts("ready");
    std::fflush(stdout);
    if (probe.more.find(':') == std::string::npos)
        serve_by_semaphores(probe, name, message);
    else
        serve_by_looks(probe, head, message);
}
