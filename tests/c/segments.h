/* segments.h: small segments, names of their own and child processes, for the tests of the core. */
#ifndef UERL_TESTS_SEGMENTS_H
#define UERL_TESTS_SEGMENTS_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "segment.h"
#include "spec.h"

/* Does this error text say that? A text that does not is shown. */
#define CHECK_SAYS(text, part)                                                                    \
    do {                                                                                          \
        const char *const check_text = (text);                                                    \
        if (strstr(check_text, (part)) == NULL) {                                                 \
            check_num_failed++;                                                                   \
            fprintf(stderr, "%s:%d: %s: '%s' does not say '%s'\n", __FILE__, __LINE__, __func__,  \
                    check_text, part);                                                            \
        }                                                                                         \
    } while (0)

#define SKIP(reason)                                                                              \
    do {                                                                                          \
        printf("skip %s: %s\n", __func__, reason);                                                \
        return;                                                                                   \
    } while (0)

static const char small_text[] = "{\"layout\": 1}";

struct small_spec {
    struct uerl_header header;
    struct uerl_group groups[4];
    struct uerl_field fields[40];
};

static inline void add_group(struct small_spec *spec, const char *name, uint32_t rows_per_env)
{
    struct uerl_group *group = &spec->groups[spec->header.num_groups++];
    snprintf(group->name, sizeof group->name, "%s", name);
    group->rows_per_env = rows_per_env;
}

/* Adds a field to the last group. length: of its one axis; 0: a number for each row. */
static inline struct uerl_field *add_field(struct small_spec *spec, const char *name, uint32_t role,
                                           uint32_t dtype, uint64_t length)
{
    struct uerl_field *field = &spec->fields[spec->header.num_fields++];
    snprintf(field->name, sizeof field->name, "%s", name);
    field->group = spec->header.num_groups - 1;
    field->role = role;
    field->dtype = dtype;
    field->num_dims = length != 0;
    field->shape[0] = length;
    return field;
}

/* What every group has, and one observation of three float32 and one action of two. */
static inline void add_usual_fields(struct small_spec *spec)
{
    add_field(spec, "observation/state", UERL_ROLE_OBSERVATION, UERL_DTYPE_FLOAT32, 3);
    add_field(spec, "action/move", UERL_ROLE_ACTION, UERL_DTYPE_FLOAT32, 2);
    add_field(spec, "control", UERL_ROLE_CONTROL, UERL_DTYPE_UINT8, 0);
    add_field(spec, "seed", UERL_ROLE_SEED, UERL_DTYPE_INT64, 0);
    add_field(spec, "reward", UERL_ROLE_REWARD, UERL_DTYPE_FLOAT32, 0);
    add_field(spec, "terminated", UERL_ROLE_TERMINATED, UERL_DTYPE_BOOL, 0);
    add_field(spec, "truncated", UERL_ROLE_TRUNCATED, UERL_DTYPE_BOOL, 0);
}

/* A spec without offsets: one group "agent" with the usual fields. */
static inline struct small_spec small_spec(uint32_t num_lanes, uint32_t envs_per_lane,
                                           uint32_t rows_per_env, uint32_t num_slots)
{
    struct small_spec spec;
    memset(&spec, 0, sizeof spec);
    spec.header.num_lanes = num_lanes;
    spec.header.envs_per_lane = envs_per_lane;
    spec.header.num_slots = num_slots;
    spec.header.message_bytes = 256;
    spec.header.text_bytes = sizeof small_text - 1;
    add_group(&spec, "agent", rows_per_env);
    add_usual_fields(&spec);
    return spec;
}

static inline int lay_out(struct small_spec *spec)
{
    return uerl_spec_layout(&spec->header, spec->groups, spec->fields);
}

/* A name that no other test has, of this process or another. */
static inline const char *new_name(char name[UERL_NAME_BYTES])
{
    static int count;
    snprintf(name, UERL_NAME_BYTES, "uerl-test-%d-%d", (int)getpid(), ++count);
    return name;
}

static inline void path_of(char path[128], const char *name)
{
    snprintf(path, 128, UERL_SHM_DIRECTORY "/%s", name);
}

static inline bool name_exists(const char *name)
{
    char path[128];
    struct stat file;
    path_of(path, name);
    return lstat(path, &file) == 0;
}

/* Makes a segment `name` of this spec, laid out before or not. */
static inline int make_segment(struct uerl_segment *segment, const char *name,
                               struct small_spec *spec)
{
    const int error = lay_out(spec);
    return error != UERL_OK ? error
                            : uerl_segment_create(segment, name, &spec->header, spec->groups,
                                                  spec->fields, small_text, 0600, (gid_t)-1);
}

static inline void end_segment(struct uerl_segment *segment)
{
    uerl_segment_unlink(segment);
    uerl_segment_close(segment);
}

/* Starts act(context) in a child, which exits with what it returns, or 1 if a check failed. */
static inline pid_t start_child(int (*act)(void *context), void *context)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        check_num_failed = 0;
        const int code = act(context);
        fflush(NULL);
        _exit(code != 0 ? code : check_num_failed != 0);
    }
    CHECK(child > 0);
    return child;
}

/* Waits for a child's end: its exit code, or 128 and the signal. */
static inline int end_of_child(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void kill_child(pid_t child)
{
    kill(child, SIGKILL);
    CHECK_EQUAL(end_of_child(child), 128 + SIGKILL);
}

/* One process passes a gate when another has opened it. */
struct gate {
    int read_fd, write_fd;
};

static inline struct gate make_gate(void)
{
    int fds[2] = {-1, -1};
    CHECK(pipe(fds) == 0);
    return (struct gate){fds[0], fds[1]};
}

static inline void open_gate(const struct gate *gate)
{
    CHECK(write(gate->write_fd, "", 1) == 1);
}

static inline void wait_at_gate(const struct gate *gate)
{
    struct pollfd readable = {gate->read_fd, POLLIN, 0};
    char byte;
    CHECK(poll(&readable, 1, 60000) == 1 && read(gate->read_fd, &byte, 1) == 1);
}

static inline void close_gate(const struct gate *gate)
{
    close(gate->read_fd);
    close(gate->write_fd);
}

/* Numbers that look random and are the same in every run (splitmix64). */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#endif
