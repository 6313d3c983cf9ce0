/* A copy of csrc/core/error.h, made by `make unreal`: change that one. */
/* error.h: one error text for each thread, and the code that goes with it. */
#ifndef UERL_ERROR_H
#define UERL_ERROR_H

#include "uerl_shm/uerl_shm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Remembers the text and returns `code`, so that a caller writes `return uerl_fail(...)`. */
int uerl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As uerl_fail(UERL_E_SYSTEM, ...), with ": <what errno means>" appended. */
int uerl_fail_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif

#endif
