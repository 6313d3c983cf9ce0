/* test_doors.c: whose segments a simulator and an observer attach to, and whose not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>

#include "segments.h"

#define STRANGER 12345

struct house {
    struct uerl_segment segment;
    char name[UERL_NAME_BYTES], path[128];
};

static void build(struct house *house, mode_t mode)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    CHECK_EQUAL(lay_out(&spec), UERL_OK);
    CHECK_EQUAL(uerl_segment_create(&house->segment, new_name(house->name), &spec.header,
                                    spec.groups, spec.fields, small_text, mode, (gid_t)-1),
                UERL_OK);
    path_of(house->path, house->name);
}

static int enter(const struct house *house, bool read_only)
{
    struct uerl_segment segment;
    const int error = uerl_segment_open(&segment, house->name, read_only);
    if (error == UERL_OK)
        uerl_segment_close(&segment);
    return error;
}

/* Are simulators refused with this text, and observers but root? */
static void check_refused(const struct house *house, const char *text)
{
    const int num_refused = geteuid() == 0 ? 1 : 2;
    for (int read_only = num_refused; read_only < 2; read_only++)
        CHECK_EQUAL(enter(house, read_only), UERL_OK);
    for (int read_only = 0; read_only < num_refused; read_only++) {
        errno = 0;
        CHECK_EQUAL(enter(house, read_only), UERL_E_SYSTEM);
        CHECK_EQUAL(errno, EACCES);
        CHECK_SAYS(uerl_last_error(), house->path);
        CHECK_SAYS(uerl_last_error(), text);
        CHECK_SAYS(uerl_last_error(), "shm_group= and shm_mode=0o660");
    }
}

static void check_welcome(const struct house *house)
{
    CHECK_EQUAL(enter(house, false), UERL_OK);
    CHECK_EQUAL(enter(house, true), UERL_OK);
}

TEST(a_segment_of_a_stranger_is_refused)
{
    struct house house;
    if (geteuid() != 0)
        SKIP("only root can give a file away");
    build(&house, 0600);
    check_welcome(&house);
    CHECK(chown(house.path, STRANGER, STRANGER) == 0);
    check_refused(&house, "belongs to uid 12345 gid 12345 with mode 0600");
    CHECK(chown(house.path, STRANGER, getegid()) == 0); /* as shm_group= does */
    check_welcome(&house);
    end_segment(&house.segment);
}

static int enter_as_member(void *context)
{
    const gid_t groups[] = {7, STRANGER};
    if (setgroups(2, groups) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
        return 77;
    check_welcome(context);
    return 0;
}

TEST(another_user_enters_through_any_of_its_groups_or_because_the_owner_is_root)
{
    struct house house;
    if (geteuid() != 0)
        SKIP("only root can become another user");
    build(&house, 0660);
    CHECK(chown(house.path, STRANGER + 1, STRANGER) == 0);
    CHECK_EQUAL(end_of_child(start_child(enter_as_member, &house)), 0);
    CHECK(chown(house.path, 0, STRANGER) == 0);
    CHECK_EQUAL(end_of_child(start_child(enter_as_member, &house)), 0);
    end_segment(&house.segment);
}

TEST(a_segment_open_to_everybody_is_refused_unless_its_learner_was_asked_for_that)
{
    const mode_t modes[] = {0604, 0602, 0644, 0666, 0661};
    struct house house;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        build(&house, 0600);
        CHECK(chmod(house.path, modes[i]) == 0);
        check_refused(&house, "nothing for others that its learner was not asked for");
        CHECK(chmod(house.path, 0660) == 0);
        check_welcome(&house);
        end_segment(&house.segment);
    }
    build(&house, 0666);
    check_welcome(&house);
    CHECK(chmod(house.path, 0667) == 0);
    check_refused(&house, "with mode 0667");
    end_segment(&house.segment);
}

TEST(set_id_bits_and_second_names_are_refused)
{
    char other[UERL_NAME_BYTES], other_path[128];
    struct house house;
    build(&house, 0600);
    CHECK(chmod(house.path, 04600) == 0);
    check_refused(&house, "no setuid or setgid bit");
    CHECK(chmod(house.path, 0600) == 0);
    path_of(other_path, new_name(other));
    CHECK(link(house.path, other_path) == 0);
    check_refused(&house, "and 2 names");
    CHECK(unlink(other_path) == 0);
    check_welcome(&house);
    end_segment(&house.segment);
}

TEST(a_mapping_that_an_engine_made_is_looked_at_the_same_way)
{
    struct house house;
    struct uerl_segment adopted;
    build(&house, 0600);
    const uint64_t bytes = house.segment.bytes;
    const int fd = open(house.path, O_RDWR | O_CLOEXEC);
    void *const mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(mapping != MAP_FAILED);
    close(fd);
    CHECK(chmod(house.path, 0606) == 0);
    CHECK_EQUAL(uerl_segment_adopt(&adopted, house.name, mapping, bytes), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), "with mode 0606");
    CHECK(chmod(house.path, 0600) == 0);
    CHECK_EQUAL(uerl_segment_adopt(&adopted, house.name, mapping, bytes), UERL_OK);
    uerl_segment_close(&adopted);
    munmap(mapping, bytes);
    end_segment(&house.segment);
}

TEST(a_fifo_of_that_name_is_refused_at_once)
{
    struct house house;
    new_name(house.name);
    path_of(house.path, house.name);
    CHECK(mkfifo(house.path, 0600) == 0);
    alarm(20); /* ends a program that waits for a writer */
    for (int read_only = 0; read_only < 2; read_only++) {
        CHECK_EQUAL(enter(&house, read_only), UERL_E_LAYOUT);
        CHECK_SAYS(uerl_last_error(), "is not a regular file, expected a segment of uerl_shm");
    }
    alarm(0);
    CHECK(unlink(house.path) == 0);
}

int main(void)
{
    RUN(a_segment_of_a_stranger_is_refused);
    RUN(another_user_enters_through_any_of_its_groups_or_because_the_owner_is_root);
    RUN(a_segment_open_to_everybody_is_refused_unless_its_learner_was_asked_for_that);
    RUN(set_id_bits_and_second_names_are_refused);
    RUN(a_mapping_that_an_engine_made_is_looked_at_the_same_way);
    RUN(a_fifo_of_that_name_is_refused_at_once);
    return check_result();
}
