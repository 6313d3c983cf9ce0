/* memory_limit.h: how much memory the container's limit leaves. Pages of /dev/shm count. */
#ifndef UERL_MEMORY_LIMIT_H
#define UERL_MEMORY_LIMIT_H

#include <stdint.h>

/* Where control groups are mounted; the environment may name another folder, as tests do. */
#define UERL_ENV_CGROUP_ROOT "UERL_SHM_CGROUP_ROOT"

struct uerl_memory_limit {
    uint64_t limit_bytes; /* UINT64_MAX: none */
    uint64_t free_bytes;  /* of it, counting caches that the kernel gives back */
};

void uerl_memory_limit(struct uerl_memory_limit *memory);

#endif
