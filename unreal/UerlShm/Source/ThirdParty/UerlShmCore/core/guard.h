/* A copy of csrc/core/guard.h, made by `make unreal`: change that one. */
/* guard.h: a segment file that somebody truncates must not kill those who have it mapped.
 *
 * Reading beyond the end of a file raises SIGBUS. For mappings that are guarded here the pages from
 * there on become zeros of the process's own, and the mapping counts as broken; a SIGBUS elsewhere
 * goes to whoever handled the signal before (Python's faulthandler, an engine's crash reporter). */
#ifndef UERL_GUARD_H
#define UERL_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UERL_MAX_GUARDED 256 /* mappings of one process; more are left unguarded */

/* Returns the number of the guarded mapping, or -1. */
int uerl_guard_add(void *base, size_t bytes);

/* Called before the memory is unmapped; nothing for -1. */
void uerl_guard_remove(int guard);

/* Was a part of the mapping lost? False for -1. */
bool uerl_guard_broken(int guard);

#ifdef __cplusplus
}
#endif

#endif
