// region_writer.cpp: stands in for an engine that makes a region itself and publishes frames in it.
//
//   region_writer NAME FRAME_BYTES NUM_BUFFERS [--mutant]
//
// The region is made, mapped and given up by the calls that Unreal's named shared memory makes on
// Linux: shm_open with O_CREAT and without O_EXCL, mode 0666 less the umask, ftruncate of whatever
// was opened to whole pages, mmap; at the end munmap, close, shm_unlink. A counter stands at its
// start, the buffers from byte 64 on. Frames are published until standard input ends. --mutant
// raises the counter before it writes the bytes.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string>

namespace {

constexpr std::uint64_t kFirstOffset = 64;
constexpr std::uint64_t kFrameStep = 0x9e3779b97f4a7c15u;  // between the words of two frames
constexpr std::uint64_t kWordStep = 0xc2b2ae3d27d4eb4fu;   // between two words of a frame

using Counter = std::atomic<std::uint64_t>;
static_assert(Counter::is_always_lock_free && sizeof(Counter) == 8);

struct Region {
    std::string name;
    int fd;
    std::uint64_t num_bytes;
    void* start;
};

[[noreturn]] void fail(const char* call) {
    std::perror(call);
    std::exit(1);
}

Region make_region(const std::string& name, std::uint64_t least_bytes) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t num_bytes = (least_bytes + page - 1) / page * page;
    const int fd = shm_open(("/" + name).c_str(), O_CREAT | O_RDWR, 0666);
    if (fd < 0) fail("shm_open");
    if (ftruncate(fd, static_cast<off_t>(num_bytes)) != 0) fail("ftruncate");
    void* start = mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED) fail("mmap");
    return {name, fd, num_bytes, start};
}

void give_up(const Region& region) {
    munmap(region.start, region.num_bytes);
    close(region.fd);
    shm_unlink(("/" + region.name).c_str());
}

void write_frame(std::uint64_t* words, std::uint64_t num_words, std::uint64_t frame) {
    for (std::uint64_t i = 0; i < num_words; i++)
        words[i] = (frame + 1) * kFrameStep + i * kWordStep;
}

bool input_ended() {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    char byte = 0;
    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) == 0;
}

// Bursts at full speed, pauses shorter and longer than a copy takes, and sleeps.
void pause_after(std::uint64_t frame) {
    const std::uint64_t choice = (frame + 1) * kFrameStep >> 56;
    if (choice < 64) return;
    if (choice < 80) {
        const timespec nap = {0, 20'000};
        nanosleep(&nap, nullptr);
        return;
    }
    for (volatile std::uint64_t i = 0; i < choice * 64; i++) {
    }
}

void publish_until_input_ends(const Region& region, std::uint64_t frame_bytes,
                              std::uint64_t num_buffers, bool mutant) {
    auto* counter = new (region.start) Counter(0);  // a region that was used before is not zero
    auto* buffers = static_cast<unsigned char*>(region.start) + kFirstOffset;
    std::puts("ready");
    std::fflush(stdout);
    for (std::uint64_t frame = 0; frame % 64 != 0 || !input_ended(); frame++) {
        unsigned char* buffer = buffers + frame % num_buffers * frame_bytes;
        if (mutant) counter->store(frame + 1, std::memory_order_release);
        std::atomic_thread_fence(std::memory_order_release);  // the count before the next bytes
        write_frame(reinterpret_cast<std::uint64_t*>(buffer), frame_bytes / 8, frame);
        if (!mutant) counter->store(frame + 1, std::memory_order_release);
        pause_after(frame);
    }
}

}  // namespace

int main(int count, char** arguments) {
    const bool mutant = count == 5 && std::strcmp(arguments[4], "--mutant") == 0;
    if (count != 4 && !mutant) {
        std::fputs("expected NAME FRAME_BYTES NUM_BUFFERS [--mutant]\n", stderr);
        return 2;
    }
    const std::uint64_t frame_bytes = std::strtoull(arguments[2], nullptr, 10);
    const std::uint64_t num_buffers = std::strtoull(arguments[3], nullptr, 10);
    if (frame_bytes == 0 || frame_bytes % 8 != 0 || num_buffers == 0) {
        std::fputs("FRAME_BYTES is no multiple of 8, or NUM_BUFFERS is 0\n", stderr);
        return 2;
    }
    const Region region = make_region(arguments[1], kFirstOffset + num_buffers * frame_bytes);
    publish_until_input_ends(region, frame_bytes, num_buffers, mutant);
    give_up(region);
    return 0;
}
