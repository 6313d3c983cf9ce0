/* A copy of csrc/core/guard.c, made by `make unreal`: change that one. */
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
static struct sigaction first;  /* the handler that was there before any of ours */
static struct sigaction latest; /* the one that was there when ours was installed last */
static uint32_t num_installed;
static uint64_t handed_over; /* address of the bus error that was passed on last */
static uint32_t num_handed;  /* how often it was */
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

/* As if there had never been a handler: the faulting instruction runs again and ends the process;
 * what was sent is sent again. */
static void die_of(int number, const siginfo_t *info)
{
    signal(number, SIG_DFL);
    if (info->si_code <= 0)
        raise(number);
}

/* Is this the bus error that was passed on last? A handler that was installed after ours may put
 * ours back, or call ours, and then raise the signal or run into the same page. */
static bool is_back(const siginfo_t *info)
{
    if (num_installed < 2 || load_relaxed_u32(&num_handed) == 0)
        return false;
    return info->si_code == SI_TKILL ||
           (info->si_code > 0 &&
            load_relaxed_u64(&handed_over) == (uint64_t)(uintptr_t)info->si_addr);
}

static void hand_to(const struct sigaction *next, int number, siginfo_t *info, void *context)
{
    if (next->sa_flags & SA_SIGINFO)
        next->sa_sigaction(number, info, context);
    else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN)
        next->sa_handler(number);
    else if (next->sa_handler == SIG_DFL || info->si_code > 0) /* no fault can be ignored */
        die_of(number, info);
}

/* As if we had never been there: to the handler that was there last; what comes back, to the very
 * first; and what comes back again ends the process. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    const uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
    const uint32_t turn = is_back(info) ? load_relaxed_u32(&num_handed) : 0;
    if (turn == 0)
        store_relaxed_u64(&handed_over, address);
    store_relaxed_u32(&num_handed, turn + 1);
    if (turn > 1) {
        die_of(number, info);
        return;
    }
    hand_to(turn == 0 ? &latest : &first, number, info, context);
    void *const page = (void *)(uintptr_t)(address & ~(page_bytes - 1));
    if (info->si_code > 0 && madvise(page, page_bytes, MADV_POPULATE_READ) == 0)
        store_relaxed_u32(&num_handed, 0); /* it was mended: the next one is another */
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    const uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
    struct guarded *guarded = info->si_code > 0 ? find(address) : NULL; /* else somebody sent it */
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
    if (num_installed++ == 0)
        first = now;
    latest = now;
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
