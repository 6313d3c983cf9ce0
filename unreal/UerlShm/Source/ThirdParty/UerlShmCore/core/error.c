/* A copy of csrc/core/error.c, made by `make unreal`: change that one. */
/* error.c: one error text for each thread. */
#define _GNU_SOURCE
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[1024];

const char *uerl_last_error(void)
{
    return last_error;
}

int uerl_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return code;
}

int uerl_fail_errno(const char *format, ...)
{
    const int cause = errno;
    char text[sizeof last_error];
    char reason[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return uerl_fail(UERL_E_SYSTEM, "%.800s: %s", text, strerror_r(cause, reason, sizeof reason));
}
