/* test_full.c: a /dev/shm that is too small, as containers have it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "segments.h"

enum { NOT_PERMITTED = 77, SHM_BYTES = 1 << 20 };

static void write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* Gives this process a /dev/shm of its own; false where that is not permitted. */
static bool mount_own_shm(const char *options)
{
    const unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return false;
        char map[64];
        snprintf(map, sizeof map, "0 %u 1", uid);
        write_file("/proc/self/uid_map", map);
        write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", gid);
        write_file("/proc/self/gid_map", map);
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", UERL_SHM_DIRECTORY, "tmpfs", 0, options) == 0;
}

static uint64_t free_bytes(void)
{
    struct statvfs mount;
    CHECK(statvfs(UERL_SHM_DIRECTORY, &mount) == 0);
    return (uint64_t)mount.f_bavail * mount.f_frsize;
}

static int num_names(void)
{
    int count = -2; /* . and .. */
    DIR *directory = opendir(UERL_SHM_DIRECTORY);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* A spec whose segment has about this many bytes. */
static struct small_spec spec_of(uint64_t num_bytes)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    spec.fields[0].shape[0] = num_bytes / 2 / sizeof(float);
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    return spec;
}

static int create_too_much(void *unused)
{
    struct uerl_segment segment;
    char needed[64], left[64];
    (void)unused;
    if (!mount_own_shm("size=1m"))
        return NOT_PERMITTED;
    struct small_spec spec = spec_of(4 * SHM_BYTES);
    const uint64_t before = free_bytes();
    CHECK_EQUAL(before, SHM_BYTES);
    CHECK_EQUAL(make_segment(&segment, "train", &spec), UERL_E_FULL);
    snprintf(needed, sizeof needed, "needs %llu bytes",
             (unsigned long long)spec.header.segment_bytes);
    snprintf(left, sizeof left, "has %d free of %d", SHM_BYTES, SHM_BYTES);
    CHECK_SAYS(uerl_last_error(), needed);
    CHECK_SAYS(uerl_last_error(), left);
    CHECK_SAYS(uerl_last_error(), "raise sizeLimit (Pod) or --shm-size (container)");
    CHECK_EQUAL(free_bytes(), before);
    CHECK_EQUAL(num_names(), 0);
    return 0;
}

/* The old memory is still there while the new is made. */
static int count_what_a_living_one_holds(void *unused)
{
    struct uerl_segment first, second;
    (void)unused;
    if (!mount_own_shm("size=1m"))
        return NOT_PERMITTED;
    struct small_spec spec = spec_of(SHM_BYTES * 6 / 10);
    CHECK_EQUAL(make_segment(&first, "first", &spec), UERL_OK);
    CHECK_EQUAL(free_bytes(), SHM_BYTES - spec.header.segment_bytes);
    CHECK_EQUAL(make_segment(&second, "second", &spec), UERL_E_FULL);
    CHECK_EQUAL(num_names(), 1);
    end_segment(&first);
    CHECK_EQUAL(make_segment(&second, "second", &spec), UERL_OK);
    end_segment(&second);
    CHECK_EQUAL(free_bytes(), SHM_BYTES);
    return 0;
}

/* Every page is paid for at birth: whoever fills /dev/shm later does no harm. */
static int survive_a_full_mount(void *unused)
{
    static const char zeros[SHM_BYTES];
    struct uerl_segment segment;
    (void)unused;
    if (!mount_own_shm("size=1m"))
        return NOT_PERMITTED;
    struct small_spec spec = spec_of(SHM_BYTES / 2);
    CHECK_EQUAL(make_segment(&segment, "train", &spec), UERL_OK);
    const int fd = open(UERL_SHM_DIRECTORY "/glutton", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(write(fd, zeros, sizeof zeros) < SHM_BYTES);
    CHECK_EQUAL(free_bytes(), 0);
    const uint64_t offset = spec.fields[0].offset;
    memset(segment.base + offset, 1, spec.header.segment_bytes - offset);
    close(fd);
    end_segment(&segment);
    return 0;
}

static int create_without_inodes(void *unused)
{
    struct uerl_segment segment;
    (void)unused;
    if (!mount_own_shm("size=1m,nr_inodes=1"))
        return NOT_PERMITTED;
    struct small_spec spec = spec_of(SHM_BYTES / 2);
    CHECK_EQUAL(make_segment(&segment, "train", &spec), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), "cannot be made in " UERL_SHM_DIRECTORY);
    CHECK_SAYS(uerl_last_error(), strerror(ENOSPC));
    return 0;
}

static int create_on_another_file_system(void *unused)
{
    struct uerl_segment segment;
    (void)unused;
    if (!mount_own_shm("size=1m") || umount(UERL_SHM_DIRECTORY) != 0 ||
        mount("proc", UERL_SHM_DIRECTORY, "proc", 0, NULL) != 0)
        return NOT_PERMITTED;
    CHECK_EQUAL(uerl_segment_open(&segment, "meminfo", true), UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "is not a regular file on tmpfs: mount tmpfs at");
    return 0;
}

#define RUN_IN_NAMESPACE(act)                                                                     \
    do {                                                                                          \
        const int code = end_of_child(start_child(act, NULL));                                    \
        if (code == NOT_PERMITTED)                                                                \
            SKIP("a mount namespace is not permitted here");                                      \
        CHECK_EQUAL(code, 0);                                                                     \
    } while (0)

TEST(a_full_shm_is_refused_with_the_bytes_needed_and_free_and_nothing_remains)
{
    RUN_IN_NAMESPACE(create_too_much);
}

TEST(memory_of_a_living_segment_counts_until_it_is_gone)
{
    RUN_IN_NAMESPACE(count_what_a_living_one_holds);
}

TEST(a_segment_can_be_written_when_its_mount_is_full)
{
    RUN_IN_NAMESPACE(survive_a_full_mount);
}

TEST(a_mount_without_inodes_is_an_error_that_says_so)
{
    RUN_IN_NAMESPACE(create_without_inodes);
}

TEST(a_file_that_is_not_in_memory_is_refused)
{
    RUN_IN_NAMESPACE(create_on_another_file_system);
}

int main(void)
{
    RUN(a_full_shm_is_refused_with_the_bytes_needed_and_free_and_nothing_remains);
    RUN(memory_of_a_living_segment_counts_until_it_is_gone);
    RUN(a_segment_can_be_written_when_its_mount_is_full);
    RUN(a_mount_without_inodes_is_an_error_that_says_so);
    RUN(a_file_that_is_not_in_memory_is_refused);
    return check_result();
}
