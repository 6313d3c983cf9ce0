/* test_birth.c: a segment gets its name when it is whole, locked and paid for; and succession. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lock.h"
#include "segments.h"

/* The tests' own linkat() and posix_fallocate() look on, and fail on request; the program's calls
 * reach them first. */
static void (*at_link)(const char *file);
static int fallocate_error, fallocate_errors_left;
static uint64_t allocated_bytes;

int linkat(int old_fd, const char *old_path, int new_fd, const char *new_path, int flags)
{
    if (at_link != NULL)
        at_link(old_path);
    return (int)syscall(SYS_linkat, old_fd, old_path, new_fd, new_path, flags);
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    if (fallocate_errors_left > 0) {
        fallocate_errors_left--;
        return fallocate_error;
    }
    allocated_bytes += (uint64_t)bytes;
    return syscall(SYS_fallocate, fd, 0, offset, bytes) == 0 ? 0 : errno;
}

/* Files in /dev/shm whose names begin like this. */
static int num_files(const char *prefix)
{
    int count = 0;
    DIR *directory = opendir(UERL_SHM_DIRECTORY);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(directory);
    return count;
}

static uint64_t inode_of(const char *name)
{
    char path[128];
    struct stat file = {0};
    path_of(path, name);
    CHECK(lstat(path, &file) == 0);
    return file.st_ino;
}

/* Birth --------------------------------------------------------------------------------------- */

static int num_births;

static void see_it_complete(const char *file)
{
    struct stat status;
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    uint8_t *bytes = malloc((size_t)status.st_size);
    CHECK(pread(fd, bytes, (size_t)status.st_size, 0) == status.st_size);
    struct uerl_header header;
    struct uerl_group *groups = NULL;
    struct uerl_field *fields = NULL;
    CHECK_EQUAL(uerl_spec_check(bytes, (uint64_t)status.st_size, &header, &groups, &fields),
                UERL_OK);
    CHECK(memcmp(bytes + header.text_offset, small_text, header.text_bytes) == 0);
    CHECK_EQUAL(status.st_mode & 07777, 0640);
    CHECK(status.st_blocks * 512 >= status.st_size); /* no store can fail any more */
    CHECK_EQUAL(uerl_lock_probe(fd, UERL_LOCK_OWNER), UERL_LOCK_HELD);
    CHECK_EQUAL(status.st_nlink, 0);
    free(groups);
    free(fields);
    free(bytes);
    close(fd);
    num_births++;
}

TEST(a_segment_is_complete_paid_for_and_locked_before_it_gets_its_name)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(2, 1, 1, 3);
    struct uerl_segment segment;
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    at_link = see_it_complete;
    num_births = 0;
    CHECK_EQUAL(uerl_segment_create(&segment, new_name(name), &spec.header, spec.groups,
                                    spec.fields, small_text, 0640, (gid_t)-1), UERL_OK);
    at_link = NULL;
    CHECK_EQUAL(num_births, 1);
    CHECK(name_exists(name));
    end_segment(&segment);
}

TEST(mode_and_group_are_as_asked_whatever_the_umask)
{
    const mode_t modes[] = {0600, 0640, 0660, 0666}, umasks[] = {0, 022, 077, 0777};
    const gid_t other_group = geteuid() == 0 ? 4242 : getegid();
    struct small_spec spec = small_spec(1, 1, 1, 2);
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            char name[UERL_NAME_BYTES], path[128];
            struct uerl_segment segment;
            struct stat file;
            const gid_t group = i % 2 == 0 ? (gid_t)-1 : other_group;
            const mode_t before = umask(umasks[j]);
            CHECK_EQUAL(uerl_segment_create(&segment, new_name(name), &spec.header, spec.groups,
                                            spec.fields, small_text, modes[i], group), UERL_OK);
            umask(before);
            path_of(path, name);
            CHECK(stat(path, &file) == 0);
            CHECK_EQUAL(file.st_mode & 07777, modes[i]);
            CHECK_EQUAL(file.st_gid, group == (gid_t)-1 ? getegid() : group);
            CHECK_EQUAL(file.st_uid, geteuid());
            end_segment(&segment);
        }
}

static int give_to_foreign_group(void *context)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 77;
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    CHECK_EQUAL(uerl_segment_create(&segment, context, &spec.header, spec.groups, spec.fields,
                                    small_text, 0660, 4242), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), "cannot be given to group 4242: join that group");
    return 0;
}

TEST(a_group_that_one_does_not_belong_to_is_refused_and_nothing_remains)
{
    char name[UERL_NAME_BYTES];
    CHECK_EQUAL(end_of_child(start_child(give_to_foreign_group, (void *)new_name(name))), 0);
    CHECK(!name_exists(name));
}

/* Memory -------------------------------------------------------------------------------------- */

static int create_with_failing_fallocate(int error, int times)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    spec.fields[0].shape[0] = UINT64_C(3) << 20; /* 24 MiB: several pieces */
    fallocate_error = error;
    fallocate_errors_left = times;
    allocated_bytes = 0;
    const int code = make_segment(&segment, new_name(name), &spec);
    fallocate_errors_left = 0;
    CHECK_EQUAL(name_exists(name), code == UERL_OK);
    if (code == UERL_OK) {
        CHECK_EQUAL(allocated_bytes, spec.header.segment_bytes);
        end_segment(&segment);
    }
    return code;
}

TEST(an_allocation_that_signals_interrupt_is_tried_again)
{
    CHECK_EQUAL(create_with_failing_fallocate(EINTR, 50), UERL_OK);
}

TEST(memory_that_ran_out_in_the_meantime_is_full_and_not_a_system_error)
{
    CHECK_EQUAL(create_with_failing_fallocate(ENOSPC, 1), UERL_E_FULL);
    CHECK_SAYS(uerl_last_error(), UERL_SHM_DIRECTORY " is full: make room");
    CHECK_EQUAL(create_with_failing_fallocate(EPERM, 1), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), strerror(EPERM));
}

static int create_beyond_the_limit(void *context)
{
    const struct rlimit limit = {1 << 20, 1 << 20};
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    spec.fields[0].shape[0] = UINT64_C(3) << 20;
    CHECK_EQUAL(make_segment(&segment, context, &spec), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), "bytes cannot be allocated: File too large");
    return 0;
}

TEST(a_limit_on_the_size_of_files_is_named)
{
    char name[UERL_NAME_BYTES];
    CHECK_EQUAL(end_of_child(start_child(create_beyond_the_limit, (void *)new_name(name))), 0);
    CHECK(!name_exists(name));
}

/* Succession ---------------------------------------------------------------------------------- */

static struct small_spec usual;

TEST(a_name_is_in_use_while_its_owner_lives)
{
    char name[UERL_NAME_BYTES];
    struct uerl_segment first, second;
    usual = small_spec(1, 1, 1, 2);
    CHECK_EQUAL(make_segment(&first, new_name(name), &usual), UERL_OK);
    const uint64_t inode = inode_of(name);
    CHECK_EQUAL(make_segment(&second, name, &usual), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "is in use by a living learner: choose another name");
    CHECK_EQUAL(inode_of(name), inode);
    end_segment(&first);
    CHECK_EQUAL(make_segment(&second, name, &usual), UERL_OK);
    end_segment(&second);
    CHECK_EQUAL(num_files(name), 0);
}

struct owner {
    const char *name;
    struct gate born, may_go;
};

static int own_until_killed(void *context)
{
    const struct owner *owner = context;
    struct uerl_segment segment;
    CHECK_EQUAL(make_segment(&segment, owner->name, &usual), UERL_OK);
    memcpy(uerl_segment_row(&segment, 0, 1, 0), "first", 5);
    open_gate(&owner->born);
    pause();
    return 0;
}

TEST(a_dead_owners_name_is_taken_over_by_a_new_inode_and_old_mappings_stay_readable)
{
    char name[UERL_NAME_BYTES];
    struct owner owner = {new_name(name), make_gate(), make_gate()};
    struct uerl_segment old, segment;
    usual = small_spec(1, 1, 1, 2);
    const pid_t child = start_child(own_until_killed, &owner);
    wait_at_gate(&owner.born);
    CHECK_EQUAL(uerl_segment_open(&old, name, false), UERL_OK);
    CHECK_EQUAL(make_segment(&segment, name, &usual), UERL_E_EXISTS);
    const uint64_t inode = inode_of(name);
    kill_child(child);
    CHECK_EQUAL(make_segment(&segment, name, &usual), UERL_OK);
    CHECK(inode_of(name) != inode);
    CHECK_EQUAL(segment.inode, inode_of(name));
    CHECK(segment.header.run_id != old.header.run_id);
    memcpy(uerl_segment_row(&segment, 0, 1, 0), "other", 5);
    CHECK(memcmp(uerl_segment_row(&old, 0, 1, 0), "first", 5) == 0);
    uerl_segment_unlink(&old); /* names the new one by now */
    CHECK(name_exists(name));
    uerl_segment_close(&old);
    end_segment(&segment);
    CHECK_EQUAL(num_files(name), 0);
    close_gate(&owner.born);
    close_gate(&owner.may_go);
}

TEST(a_dead_segment_that_is_being_taken_over_is_left_to_whoever_does)
{
    char name[UERL_NAME_BYTES], path[128];
    struct owner owner = {new_name(name), make_gate(), make_gate()};
    struct uerl_segment segment;
    usual = small_spec(1, 1, 1, 2);
    const pid_t child = start_child(own_until_killed, &owner);
    wait_at_gate(&owner.born);
    kill_child(child);
    path_of(path, name);
    const int fd = uerl_lock_open(path);
    CHECK_EQUAL(uerl_lock_take(fd, UERL_LOCK_TAKEOVER), UERL_OK);
    CHECK_EQUAL(make_segment(&segment, name, &usual), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "is being taken over by another learner");
    uerl_lock_close(fd);
    CHECK_EQUAL(make_segment(&segment, name, &usual), UERL_OK);
    end_segment(&segment);
    close_gate(&owner.born);
    close_gate(&owner.may_go);
}

enum { NUM_RIVALS = 6 };

/* Exits with 0 if it got the name, 3 if another one has it; the winner keeps it until let go. */
static int compete(void *context)
{
    const struct owner *owner = context;
    struct uerl_segment segment;
    wait_at_gate(&owner->born);
    const int error = make_segment(&segment, owner->name, &usual);
    if (error != UERL_OK) {
        CHECK_EQUAL(error, UERL_E_EXISTS);
        return 3;
    }
    wait_at_gate(&owner->may_go);
    CHECK_EQUAL(segment.inode, inode_of(owner->name)); /* nobody replaced the living */
    return 0;
}

TEST(of_several_successors_one_wins_and_the_others_are_told)
{
    const int num_temporary = num_files(".uerl-");
    usual = small_spec(1, 1, 1, 2);
    for (int round = 0; round < 20; round++) {
        char name[UERL_NAME_BYTES];
        struct owner owner = {new_name(name), make_gate(), make_gate()};
        const pid_t dead = start_child(own_until_killed, &owner);
        wait_at_gate(&owner.born);
        kill_child(dead);
        for (int i = 0; i < NUM_RIVALS; i++)
            start_child(compete, &owner);
        for (int i = 0; i < NUM_RIVALS; i++)
            open_gate(&owner.born);
        int num_lost = 0, status;
        for (int i = 0; i < NUM_RIVALS - 1; i++) /* the losers end first */
            num_lost += wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 3;
        CHECK_EQUAL(num_lost, NUM_RIVALS - 1);
        open_gate(&owner.may_go);
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK_EQUAL(uerl_segment_clean(name), UERL_OK);
        close_gate(&owner.born);
        close_gate(&owner.may_go);
    }
    CHECK_EQUAL(num_files(".uerl-"), num_temporary);
}

TEST(run_ids_differ)
{
    uint64_t seen[20];
    usual = small_spec(1, 1, 1, 2);
    for (int i = 0; i < 20; i++) {
        char name[UERL_NAME_BYTES];
        struct uerl_segment segment;
        CHECK_EQUAL(make_segment(&segment, new_name(name), &usual), UERL_OK);
        seen[i] = segment.header.run_id;
        CHECK(seen[i] != 0);
        for (int j = 0; j < i; j++)
            CHECK(seen[i] != seen[j]);
        end_segment(&segment);
    }
}

int main(void)
{
    RUN(a_segment_is_complete_paid_for_and_locked_before_it_gets_its_name);
    RUN(mode_and_group_are_as_asked_whatever_the_umask);
    RUN(a_group_that_one_does_not_belong_to_is_refused_and_nothing_remains);
    RUN(an_allocation_that_signals_interrupt_is_tried_again);
    RUN(memory_that_ran_out_in_the_meantime_is_full_and_not_a_system_error);
    RUN(a_limit_on_the_size_of_files_is_named);
    RUN(a_name_is_in_use_while_its_owner_lives);
    RUN(a_dead_owners_name_is_taken_over_by_a_new_inode_and_old_mappings_stay_readable);
    RUN(a_dead_segment_that_is_being_taken_over_is_left_to_whoever_does);
    RUN(of_several_successors_one_wins_and_the_others_are_told);
    RUN(run_ids_differ);
    return check_result();
}
