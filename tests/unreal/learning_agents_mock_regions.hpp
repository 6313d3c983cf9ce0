// learning_agents_mock_regions.hpp: named regions as Unreal maps them on Linux, and what fills
// them.
#pragma once

#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

inline const std::string kNoGuid = "{00000000-0000-0000-0000-000000000000}";

struct Region {
    std::string guid = kNoGuid;
    int fd = -1;
    size_t num_bytes = 0; // rounded up to pages
    char *memory = nullptr;
};

struct Array {
    std::string kind, name; // of data-config.json
    int dimension;
    bool by_step; // else by episode
    Region region;
};

inline uint32_t mix(uint32_t seed, uint32_t i)
{
    uint32_t x = seed * 2654435761u + i * 2246822519u;
    x ^= x >> 15;
    x *= 2654435761u;
    return x ^ (x >> 13);
}

[[noreturn]] inline void die(const std::string &what)
{
    std::cerr << "learning_agents_mock: " << what << ": " << std::strerror(errno) << std::endl;
    std::_Exit(2);
}

inline std::string new_guid()
{
    std::string uuid;
    std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
    for (char &letter : uuid)
        letter = static_cast<char>(std::toupper(letter));
    return "{" + uuid + "}";
}

// As FPlatformMemory::MapNamedSharedMemoryRegion: never O_EXCL, never O_TRUNC, no look at the size.
inline Region map_region(const std::string &guid, size_t num_bytes, bool create)
{
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    Region region{guid, -1, (num_bytes + page - 1) / page * page, nullptr};
    region.fd = shm_open(("/" + guid).c_str(), (create ? O_CREAT : 0) | O_RDWR, 0666);
    if (region.fd < 0 || (create && ftruncate(region.fd, static_cast<off_t>(region.num_bytes))))
        die("region " + guid);
    void *memory =
        mmap(nullptr, region.num_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd, 0);
    if (memory == MAP_FAILED)
        die("mapping of " + guid);
    region.memory = static_cast<char *>(memory);
    return region;
}

inline Region allocate(size_t num_bytes)
{
    return num_bytes == 0 ? Region{} : map_region(new_guid(), num_bytes, true);
}

// Returns whether its name was still there: the engine reports a fault ("ensure") if not.
inline bool deallocate(const Region &region)
{
    if (region.memory == nullptr)
        return true;
    munmap(region.memory, region.num_bytes);
    close(region.fd);
    return shm_unlink(("/" + region.guid).c_str()) == 0;
}
