// ShimHost.h: what tests ask of the shim and learn from it; the plugin sees none of this.
#pragma once

#include <atomic>
#include <string>
#include <vector>

struct ShimHost {
    struct Map {
        std::string Name;
        bool bCreate, bReads, bWrites;
        std::size_t Bytes;
    };
    static ShimHost &Get();

    std::size_t PageBytes = 4096;
    std::atomic<bool> bExitRequested{false};
    int ExitCode = 0;
    std::vector<Map> Maps;         // every call of MapNamedSharedMemoryRegion
    int MaxReadbackUs = 0;         // the GPU's copies are ready after 0 to so many microseconds
    std::atomic<int> NumStalls{0}; // Lock() before IsReady()
};
