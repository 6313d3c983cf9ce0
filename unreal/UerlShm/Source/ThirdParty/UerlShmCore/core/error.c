/* A copy of csrc/core/error.c, made by `make unreal`: change that one. */
/* error.c: one error text for each thread; portable. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

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
