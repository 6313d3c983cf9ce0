/* memory_limit.c: control groups, version 2 and 1, as a container sees its own. */
#include "memory_limit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct version {
    const char *limit, *usage, *stat;
};

static const struct version versions[] = {
    {"memory.max", "memory.current", "memory.stat"},
    {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"},
};

static FILE *open_file(const char *name)
{
    char path[512];
    const char *root = getenv(UERL_ENV_CGROUP_ROOT);
    snprintf(path, sizeof path, "%s/%s", root == NULL ? "/sys/fs/cgroup" : root, name);
    return fopen(path, "re");
}

/* False where there is no such file, or no number in it ("max"). */
static bool read_number(const char *name, uint64_t *value)
{
    FILE *file = open_file(name);
    if (file == NULL)
        return false;
    const bool found = fscanf(file, "%" SCNu64, value) == 1;
    fclose(file);
    return found;
}

/* Caches of files that are not in /dev/shm: under pressure the kernel drops them. */
static uint64_t cache_bytes(const char *name)
{
    FILE *file = open_file(name);
    char key[64];
    uint64_t value, sum = 0;
    while (file != NULL && fscanf(file, "%63s %" SCNu64, key, &value) == 2)
        if (strcmp(key, "inactive_file") == 0 || strcmp(key, "active_file") == 0)
            sum += value;
    if (file != NULL)
        fclose(file);
    return sum;
}

void uerl_memory_limit(struct uerl_memory_limit *memory)
{
    *memory = (struct uerl_memory_limit){.limit_bytes = UINT64_MAX, .free_bytes = UINT64_MAX};
    for (int i = 0; i < 2; i++) {
        uint64_t limit, usage;
        if (!read_number(versions[i].limit, &limit) || !read_number(versions[i].usage, &usage))
            continue;
        const uint64_t cache = cache_bytes(versions[i].stat);
        const uint64_t used = usage > cache ? usage - cache : 0;
        memory->limit_bytes = limit;
        memory->free_bytes = limit > used ? limit - used : 0;
        return;
    }
}
