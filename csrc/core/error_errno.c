/* error_errno.c: the error of a system call, in words. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

int uerl_fail_errno(const char *format, ...)
{
    const int cause = errno;
    char text[1024];
    char reason[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return uerl_fail(UERL_E_SYSTEM, "%.800s: %s", text, strerror_r(cause, reason, sizeof reason));
}
