/* guard.c: zeros in place of pages that a file no longer has. */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomics.h"

struct guarded {
    uint64_t start; /* 0: the entry is free */
    uint64_t end;
    uint32_t broken;
};

/* Of the process, as its signal handlers are. */
static struct guarded table[UERL_MAX_GUARDED];
static struct sigaction before;
static uint64_t page_bytes;
static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;

static struct guarded *find(uint64_t address)
{
    for (int i = 0; i < UERL_MAX_GUARDED; i++) {
        const uint64_t start = load_relaxed_u64(&table[i].start);
        if (start != 0 && address >= start && address < load_relaxed_u64(&table[i].end))
            return &table[i];
    }
    return NULL;
}

/* As if we had never been there: the faulting instruction runs again and meets the old handler. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    else
        signal(number, SIG_DFL);
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    const uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
    struct guarded *guarded = find(address);
    const uint64_t page = address & ~(page_bytes - 1);
    /* Pages behind the end of the file are all gone; those before it are as they were. */
    if (guarded == NULL ||
        mmap((void *)(uintptr_t)page, load_relaxed_u64(&guarded->end) - page,
             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        pass_on(number, info, context);
    else
        store_relaxed_u32(&guarded->broken, 1);
    errno = saved_errno;
}

/* Whoever installs a handler after us is before us: take the place again. */
static void install(void)
{
    struct sigaction now;
    page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, NULL, &now) != 0 || now.sa_sigaction == on_bus_error)
        return;
    before = now;
    struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&ours.sa_mask);
    sigaction(SIGBUS, &ours, NULL);
}

int uerl_guard_add(void *base, size_t bytes)
{
    int guard = -1;
    pthread_mutex_lock(&changes);
    install();
    for (int i = 0; i < UERL_MAX_GUARDED && guard < 0; i++) {
        if (load_relaxed_u64(&table[i].start) != 0) /* freed without the mutex */
            continue;
        guard = i;
        store_relaxed_u32(&table[i].broken, 0);
        store_relaxed_u64(&table[i].end, (uint64_t)(uintptr_t)base + bytes);
        store_relaxed_u64(&table[i].start, (uint64_t)(uintptr_t)base);
    }
    pthread_mutex_unlock(&changes);
    return guard;
}

void uerl_guard_remove(int guard)
{
    if (guard >= 0)
        store_relaxed_u64(&table[guard].start, 0);
}

bool uerl_guard_broken(int guard)
{
    return guard >= 0 && load_relaxed_u32(&table[guard].broken) != 0;
}
