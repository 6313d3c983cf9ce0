/* test_lock.c: who lives, as the kernel says it: across processes, forks and sudden deaths. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "lock.h"
#include "segments.h"

enum { BYTE = 17 };

/* A file of ten bytes to lock; gone with end_file(). */
struct test_file {
    char path[128];
};

static struct test_file make_file(void)
{
    struct test_file file;
    char name[UERL_NAME_BYTES];
    path_of(file.path, new_name(name));
    const int fd = open(file.path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10);
    close(fd);
    return file;
}

static void end_file(const struct test_file *file)
{
    CHECK(unlink(file->path) == 0);
}

TEST(a_byte_is_free_until_somebody_takes_it_and_again_after_its_release)
{
    const struct test_file file = make_file();
    const int ours = uerl_lock_open(file.path), theirs = uerl_lock_open(file.path);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_take(ours, BYTE), UERL_OK);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE), UERL_LOCK_HELD);
    CHECK_EQUAL(uerl_lock_take(theirs, BYTE), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "lock byte 17 is held by another process");
    uerl_lock_release(ours, BYTE);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_take(theirs, BYTE), UERL_OK);
    uerl_lock_close(ours);
    uerl_lock_close(theirs);
    end_file(&file);
}

TEST(a_probe_says_free_of_a_byte_that_the_same_fd_holds)
{
    const struct test_file file = make_file();
    const int fd = uerl_lock_open(file.path);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE), UERL_OK);
    CHECK_EQUAL(uerl_lock_probe(fd, BYTE), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE), UERL_OK);
    uerl_lock_close(fd);
    end_file(&file);
}

TEST(neighbouring_bytes_are_locked_independently)
{
    const struct test_file file = make_file();
    const int ours = uerl_lock_open(file.path), theirs = uerl_lock_open(file.path);
    CHECK_EQUAL(uerl_lock_take(ours, BYTE), UERL_OK);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE - 1), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE + 1), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_take(theirs, BYTE + 1), UERL_OK);
    uerl_lock_release(ours, BYTE);
    CHECK_EQUAL(uerl_lock_probe(ours, BYTE + 1), UERL_LOCK_HELD);
    uerl_lock_close(ours);
    uerl_lock_close(theirs);
    end_file(&file);
}

TEST(closing_the_fd_frees_its_bytes)
{
    const struct test_file file = make_file();
    const int ours = uerl_lock_open(file.path), theirs = uerl_lock_open(file.path);
    CHECK_EQUAL(uerl_lock_take(ours, BYTE), UERL_OK);
    uerl_lock_close(ours);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE), UERL_LOCK_FREE);
    uerl_lock_close(theirs);
    end_file(&file);
}

/* Observers may read only, and close other fds of the file while its locks stay. */
TEST(a_read_only_fd_can_probe_and_its_close_frees_nothing)
{
    const struct test_file file = make_file();
    const int ours = uerl_lock_open(file.path);
    const int observer = open(file.path, O_RDONLY | O_CLOEXEC);
    CHECK_EQUAL(uerl_lock_probe(observer, BYTE), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_take(ours, BYTE), UERL_OK);
    CHECK_EQUAL(uerl_lock_probe(observer, BYTE), UERL_LOCK_HELD);
    close(observer);
    const int again = open(file.path, O_RDONLY | O_CLOEXEC);
    CHECK_EQUAL(uerl_lock_probe(again, BYTE), UERL_LOCK_HELD);
    close(again);
    uerl_lock_close(ours);
    end_file(&file);
}

TEST(a_missing_file_is_an_error_that_names_it)
{
    CHECK_EQUAL(uerl_lock_open(UERL_SHM_DIRECTORY "/uerl-test-nobody"), UERL_E_SYSTEM);
    CHECK_EQUAL(errno, ENOENT);
    CHECK_SAYS(uerl_last_error(), UERL_SHM_DIRECTORY "/uerl-test-nobody");
    CHECK_SAYS(uerl_last_error(), strerror(ENOENT));
}

TEST(close_touches_only_fds_that_are_lock_fds)
{
    const struct test_file file = make_file();
    const int plain = open(file.path, O_RDONLY | O_CLOEXEC);
    uerl_lock_close(plain);
    uerl_lock_close(-1);
    CHECK(fcntl(plain, F_GETFD) >= 0);
    close(plain);
    end_file(&file);
}

TEST(a_lock_fd_does_not_survive_exec)
{
    const struct test_file file = make_file();
    const int fd = uerl_lock_open(file.path);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    uerl_lock_close(fd);
    end_file(&file);
}

/* Across processes ----------------------------------------------------------------------------- */

struct holder {
    struct test_file file;
    struct gate taken, may_go;
    int inherited_fd;
};

static int hold_until_let_go(void *context)
{
    const struct holder *holder = context;
    const int fd = uerl_lock_open(holder->file.path);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE), UERL_OK);
    open_gate(&holder->taken);
    wait_at_gate(&holder->may_go);
    return 0;
}

static struct holder make_holder(void)
{
    return (struct holder){make_file(), make_gate(), make_gate(), -1};
}

static void end_holder(const struct holder *holder)
{
    close_gate(&holder->taken);
    close_gate(&holder->may_go);
    end_file(&holder->file);
}

TEST(a_lock_is_seen_by_other_processes_and_is_free_after_sigkill)
{
    struct holder holder = make_holder();
    const int fd = uerl_lock_open(holder.file.path);
    const pid_t child = start_child(hold_until_let_go, &holder);
    wait_at_gate(&holder.taken);
    CHECK_EQUAL(uerl_lock_probe(fd, BYTE), UERL_LOCK_HELD);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE), UERL_E_EXISTS);
    kill_child(child);
    CHECK_EQUAL(uerl_lock_probe(fd, BYTE), UERL_LOCK_FREE);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE), UERL_OK);
    uerl_lock_close(fd);
    end_holder(&holder);
}

static int find_the_copy_closed(void *context)
{
    const struct holder *holder = context;
    CHECK(fcntl(holder->inherited_fd, F_GETFD) == -1 && errno == EBADF);
    return 0;
}

TEST(a_forked_child_has_no_copy_of_the_lock_fd)
{
    struct holder holder = make_holder();
    holder.inherited_fd = uerl_lock_open(holder.file.path);
    CHECK_EQUAL(uerl_lock_take(holder.inherited_fd, BYTE), UERL_OK);
    CHECK_EQUAL(end_of_child(start_child(find_the_copy_closed, &holder)), 0);
    CHECK(fcntl(holder.inherited_fd, F_GETFD) >= 0);
    const int theirs = uerl_lock_open(holder.file.path);
    CHECK_EQUAL(uerl_lock_probe(theirs, BYTE), UERL_LOCK_HELD);
    uerl_lock_close(theirs);
    uerl_lock_close(holder.inherited_fd);
    end_holder(&holder);
}

static int wait_to_be_let_go(void *context)
{
    const struct holder *holder = context;
    open_gate(&holder->taken);
    wait_at_gate(&holder->may_go);
    return 0;
}

/* Takes the byte, then has a child of its own that outlives it. */
static int hold_and_fork(void *context)
{
    const struct holder *holder = context;
    const int fd = uerl_lock_open(holder->file.path);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE), UERL_OK);
    start_child(wait_to_be_let_go, context);
    pause();
    return 0;
}

TEST(a_child_that_outlives_the_holder_does_not_keep_its_lock)
{
    struct holder holder = make_holder();
    const int fd = uerl_lock_open(holder.file.path);
    const pid_t child = start_child(hold_and_fork, &holder);
    wait_at_gate(&holder.taken);
    CHECK_EQUAL(uerl_lock_probe(fd, BYTE), UERL_LOCK_HELD);
    kill_child(child);
    CHECK_EQUAL(uerl_lock_probe(fd, BYTE), UERL_LOCK_FREE);
    open_gate(&holder.may_go);
    uerl_lock_close(fd);
    end_holder(&holder);
}

/* A child's new lock fd may have the number of the parent's, which the fork closed. */
static int lock_on_ones_own_behalf(void *context)
{
    const struct holder *holder = context;
    const int fd = uerl_lock_open(holder->file.path);
    CHECK_EQUAL(fd, holder->inherited_fd);
    CHECK_EQUAL(uerl_lock_take(fd, BYTE + 1), UERL_OK);
    open_gate(&holder->taken);
    wait_at_gate(&holder->may_go);
    return 0;
}

TEST(a_forked_child_may_hold_locks_of_its_own)
{
    struct holder holder = make_holder();
    holder.inherited_fd = uerl_lock_open(holder.file.path);
    CHECK_EQUAL(uerl_lock_take(holder.inherited_fd, BYTE), UERL_OK);
    const pid_t child = start_child(lock_on_ones_own_behalf, &holder);
    wait_at_gate(&holder.taken);
    CHECK_EQUAL(uerl_lock_probe(holder.inherited_fd, BYTE + 1), UERL_LOCK_HELD);
    open_gate(&holder.may_go);
    CHECK_EQUAL(end_of_child(child), 0);
    CHECK_EQUAL(uerl_lock_probe(holder.inherited_fd, BYTE + 1), UERL_LOCK_FREE);
    uerl_lock_close(holder.inherited_fd);
    end_holder(&holder);
}

int main(void)
{
    RUN(a_byte_is_free_until_somebody_takes_it_and_again_after_its_release);
    RUN(a_probe_says_free_of_a_byte_that_the_same_fd_holds);
    RUN(neighbouring_bytes_are_locked_independently);
    RUN(closing_the_fd_frees_its_bytes);
    RUN(a_read_only_fd_can_probe_and_its_close_frees_nothing);
    RUN(a_missing_file_is_an_error_that_names_it);
    RUN(close_touches_only_fds_that_are_lock_fds);
    RUN(a_lock_fd_does_not_survive_exec);
    RUN(a_lock_is_seen_by_other_processes_and_is_free_after_sigkill);
    RUN(a_forked_child_has_no_copy_of_the_lock_fd);
    RUN(a_child_that_outlives_the_holder_does_not_keep_its_lock);
    RUN(a_forked_child_may_hold_locks_of_its_own);
    return check_result();
}
