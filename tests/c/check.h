/* check.h: the whole test harness of tests/c, for C and C++. No heap, no framework.
 *
 *   TEST(ring_is_empty_after_birth) { CHECK(...); }
 *   int main(void) { RUN(ring_is_empty_after_birth); return check_result(); }
 *
 * A failed check names its line and the test goes on; the program exits with 1 if any failed. */
#ifndef UERL_TESTS_CHECK_H
#define UERL_TESTS_CHECK_H

#include <stdio.h>
#include <string.h>

static int check_num_failed = 0;
static int check_num_run = 0;

#define TEST(name) static void name(void)

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            check_num_failed++;                                                                   \
            fprintf(stderr, "%s:%d: %s: check failed: %s\n", __FILE__, __LINE__, __func__,        \
                    #condition);                                                                  \
        }                                                                                         \
    } while (0)

#define CHECK_EQUAL(found, expected)                                                              \
    do {                                                                                          \
        const long long check_found = (long long)(found);                                         \
        const long long check_expected = (long long)(expected);                                   \
        if (check_found != check_expected) {                                                      \
            check_num_failed++;                                                                   \
            fprintf(stderr, "%s:%d: %s: %s is %lld, expected %lld\n", __FILE__, __LINE__,         \
                    __func__, #found, check_found, check_expected);                               \
        }                                                                                         \
    } while (0)

#define CHECK_NEAR(found, expected, tolerance)                                                    \
    do {                                                                                          \
        const double check_found = (double)(found);                                               \
        const double check_expected = (double)(expected);                                         \
        const double check_gap = check_found - check_expected;                                    \
        if (!(check_gap <= (tolerance) && check_gap >= -(tolerance))) {                           \
            check_num_failed++;                                                                   \
            fprintf(stderr, "%s:%d: %s: %s is %.9g, expected %.9g\n", __FILE__, __LINE__,         \
                    __func__, #found, check_found, check_expected);                               \
        }                                                                                         \
    } while (0)

#define RUN(name)                                                                                 \
    do {                                                                                          \
        const int check_failed_before = check_num_failed;                                         \
        name();                                                                                   \
        check_num_run++;                                                                          \
        printf("%s %s\n", check_num_failed == check_failed_before ? "ok  " : "FAIL", #name);      \
    } while (0)

/* What main() returns; a program that ran no test has failed. */
static inline int check_result(void)
{
    printf("%d tests, %d failed checks\n", check_num_run, check_num_failed);
    return check_num_failed != 0 || check_num_run == 0;
}

#endif
