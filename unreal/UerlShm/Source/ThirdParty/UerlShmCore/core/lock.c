/* A copy of csrc/core/lock.c, made by `make unreal`: change that one. */
/* lock.c: open file description locks, and what a fork must not do to them. */
#define _GNU_SOURCE
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"

/* Lock fds of this process, for the fork handler alone: a forked child shares the parent's open
 * file descriptions, so its copies would keep the locks held after the parent's death. */
struct lock_fd {
    int fd;
    struct lock_fd *next;
};

static struct lock_fd *lock_fds;
static pthread_mutex_t lock_fds_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_handler_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&lock_fds_mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock_fds_mutex);
}

static void after_fork_in_child(void)
{
    for (struct lock_fd *entry = lock_fds; entry != NULL; entry = entry->next) {
        close(entry->fd);
        entry->fd = -1;
    }
    pthread_mutex_unlock(&lock_fds_mutex);
}

static void install_fork_handler(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

int uerl_lock_open(const char *path)
{
    pthread_once(&fork_handler_once, install_fork_handler);
    struct lock_fd *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for a lock of %s", path);
    pthread_mutex_lock(&lock_fds_mutex);
    entry->fd = open(path, O_RDWR | O_CLOEXEC);
    if (entry->fd < 0) {
        pthread_mutex_unlock(&lock_fds_mutex);
        free(entry);
        return uerl_fail_errno("%s cannot be opened for locking", path);
    }
    entry->next = lock_fds;
    lock_fds = entry;
    const int fd = entry->fd;
    pthread_mutex_unlock(&lock_fds_mutex);
    return fd;
}

void uerl_lock_close(int fd)
{
    if (fd < 0)
        return;
    pthread_mutex_lock(&lock_fds_mutex);
    for (struct lock_fd **link = &lock_fds; *link != NULL; link = &(*link)->next) {
        struct lock_fd *entry = *link;
        if (entry->fd != fd)
            continue;
        *link = entry->next;
        free(entry);
        close(fd); /* only if listed: a forked child has closed it already */
        break;
    }
    pthread_mutex_unlock(&lock_fds_mutex);
}

static struct flock one_byte(short type, int64_t byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static int take(int fd, short type, int64_t byte)
{
    struct flock lock = one_byte(type, byte);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return UERL_OK;
    if (errno == EAGAIN || errno == EACCES)
        return uerl_fail(UERL_E_EXISTS, "lock byte %lld is held by another process",
                         (long long)byte);
    return uerl_fail_errno("lock byte %lld cannot be taken", (long long)byte);
}

int uerl_lock_take(int fd, int64_t byte)
{
    return take(fd, F_WRLCK, byte);
}

int uerl_lock_share(int fd, int64_t byte)
{
    return take(fd, F_RDLCK, byte);
}

void uerl_lock_release(int fd, int64_t byte)
{
    struct flock lock = one_byte(F_UNLCK, byte);
    fcntl(fd, F_OFD_SETLK, &lock);
}

int uerl_lock_probe(int fd, int64_t byte)
{
    struct flock lock = one_byte(F_WRLCK, byte);
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        return uerl_fail_errno("lock byte %lld cannot be probed", (long long)byte);
    return lock.l_type == F_UNLCK ? UERL_LOCK_FREE : UERL_LOCK_HELD;
}
