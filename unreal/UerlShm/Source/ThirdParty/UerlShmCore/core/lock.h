/* A copy of csrc/core/lock.h, made by `make unreal`: change that one. */
/* lock.h: a lock on one byte of the segment file says "alive".
 *
 * Open file description locks (F_OFD_SETLK): the kernel frees them when the process is gone, after
 * its address space is gone, so a free lock proves that no late store can follow. They hold across
 * PID, user and mount namespaces. A lock fd is an open file description of its own: never mapped,
 * O_CLOEXEC, and closed in forked children, so that a child cannot keep a dead parent "alive". */
#ifndef UERL_LOCK_H
#define UERL_LOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { UERL_LOCK_FREE = 0, UERL_LOCK_HELD = 1 };

/* Opens `path` for locking. Returns the fd or UERL_E_SYSTEM. */
int uerl_lock_open(const char *path);

/* Forgets and closes a lock fd; frees its locks. -1 is allowed. */
void uerl_lock_close(int fd);

/* Takes byte `byte` without waiting. Returns UERL_OK, UERL_E_EXISTS when another holds it, or
 * UERL_E_SYSTEM. */
int uerl_lock_take(int fd, int64_t byte);

/* Takes byte `byte` together with others that do so. A read-only fd will do. Returns UERL_OK,
 * UERL_E_EXISTS when somebody has it alone, or UERL_E_SYSTEM. */
int uerl_lock_share(int fd, int64_t byte);

void uerl_lock_release(int fd, int64_t byte);

/* UERL_LOCK_HELD when somebody but this fd holds byte `byte`, UERL_LOCK_FREE when nobody does, or
 * UERL_E_SYSTEM. Any open fd of the file will do, a read-only one too. */
int uerl_lock_probe(int fd, int64_t byte);

#ifdef __cplusplus
}
#endif

#endif
