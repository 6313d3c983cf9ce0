// kernel_locks.hpp: tells ThreadSanitizer what order the kernel's file locks give.
//
// A lock that is seen free says that its last holder stores no more. The sanitizer knows mutexes,
// not F_OFD_SETLK: without this file it would report each lane that passes from a simulator that
// left in the midst of a command to its successor. Linked with --wrap for the calls of core/lock.h.
#pragma once

#include <sanitizer/tsan_interface.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "core/lock.h"
#include "uerl_shm/uerl_shm.h"

constexpr size_t kMostFds = 1024, kMostBytes = 64;

// For each byte of the segment's file an address that stands for its lock.
inline std::array<char, kMostBytes> lock_of_byte;
// The byte that each fd has locked; 0: none, or the owner's, whose end nobody lives to see.
inline std::array<std::atomic<int64_t>, kMostFds> byte_of_fd;

extern "C" {

int __real_uerl_lock_take(int fd, int64_t byte);
int __real_uerl_lock_probe(int fd, int64_t byte);
void __real_uerl_lock_close(int fd);

int __wrap_uerl_lock_take(int fd, int64_t byte)
{
    const int error = __real_uerl_lock_take(fd, byte);
    if (error != UERL_OK)
        return error;
    __tsan_acquire(&lock_of_byte.at(static_cast<size_t>(byte)));
    byte_of_fd.at(static_cast<size_t>(fd)).store(byte, std::memory_order_relaxed);
    return error;
}

int __wrap_uerl_lock_probe(int fd, int64_t byte)
{
    const int state = __real_uerl_lock_probe(fd, byte);
    if (state == UERL_LOCK_FREE)
        __tsan_acquire(&lock_of_byte.at(static_cast<size_t>(byte)));
    return state;
}

void __wrap_uerl_lock_close(int fd)
{
    if (fd < 0)
        return;
    const int64_t byte =
        byte_of_fd.at(static_cast<size_t>(fd)).exchange(0, std::memory_order_relaxed);
    if (byte != 0)
        __tsan_release(&lock_of_byte.at(static_cast<size_t>(byte)));
    __real_uerl_lock_close(fd);
}

} // extern "C"
