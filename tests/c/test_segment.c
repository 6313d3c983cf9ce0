/* test_segment.c: names, opening, access, ends and cleaning of segments. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "atomics.h"
#include "lock.h"
#include "segments.h"

TEST(names_are_1_to_64_letters_digits_and_some_marks)
{
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[64] = '\0';
    const char *const good[] = {"a", "Z", "0", "train", "a.b", "a..b", "a_b-c", "{a}", longest,
                                "{5C2D3B4A-0000}", "9.", "a-"};
    const char *const bad[] = {"", ".", "..", ".a", "/", "a/b", "../a", "a/../b", "-a", "_a", "}a",
                               "a b", "a\n", "a:b", "a\\b", "a~", "\xc3\xa4", "a\xff", " a"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_EQUAL(uerl_segment_check_name(good[i]), UERL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQUAL(uerl_segment_check_name(bad[i]), UERL_E_INVALID);
        CHECK_SAYS(uerl_last_error(), bad[i]);
    }
    longest[64] = 'a';
    longest[65] = '\0';
    CHECK_EQUAL(uerl_segment_check_name(longest), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "expected 1 to 64 letters");
}

TEST(a_bad_name_is_refused_by_every_call_that_takes_one)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    uint8_t page[UERL_HEADER_BYTES] = {0};
    CHECK_EQUAL(make_segment(&segment, "../x", &spec), UERL_E_INVALID);
    CHECK_EQUAL(uerl_segment_open(&segment, "../x", false), UERL_E_INVALID);
    CHECK_EQUAL(uerl_segment_open(&segment, "../x", true), UERL_E_INVALID);
    CHECK_EQUAL(uerl_segment_adopt(&segment, "../x", page, sizeof page), UERL_E_INVALID);
    CHECK_EQUAL(uerl_segment_clean("../x"), UERL_E_INVALID);
    CHECK_EQUAL(uerl_segment_clean(""), UERL_E_INVALID);
}

/* Whoever closes a segment that never came to be must not close fd 0 with it. */
TEST(a_segment_that_failed_can_be_closed)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    uint8_t page[UERL_HEADER_BYTES] = {0};
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int standard_input = dup(0);
    CHECK(dup2(null, 0) == 0);
    memset(&segment, 0, sizeof segment);
    CHECK(make_segment(&segment, "/", &spec) != UERL_OK);
    uerl_segment_close(&segment);
    memset(&segment, 0, sizeof segment);
    spec.header.segment_bytes = INT64_MAX; /* more than there is */
    CHECK(uerl_segment_create(&segment, "uerl-test", &spec.header, spec.groups, spec.fields,
                              small_text, 0600, (gid_t)-1) == UERL_E_FULL);
    uerl_segment_close(&segment);
    memset(&segment, 0, sizeof segment);
    CHECK(uerl_segment_open(&segment, "/", true) != UERL_OK);
    uerl_segment_close(&segment);
    memset(&segment, 0, sizeof segment);
    CHECK(uerl_segment_adopt(&segment, "/", page, sizeof page) != UERL_OK);
    uerl_segment_close(&segment);
    CHECK(fcntl(0, F_GETFD) >= 0);
    if (standard_input >= 0)
        dup2(standard_input, 0);
    close(standard_input);
    close(null);
}

TEST(another_side_finds_what_the_learner_laid_out)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(2, 2, 1, 3);
    struct uerl_segment ours, theirs;
    CHECK_EQUAL(make_segment(&ours, new_name(name), &spec), UERL_OK);
    for (int read_only = 0; read_only < 2; read_only++) {
        CHECK_EQUAL(uerl_segment_open(&theirs, name, read_only), UERL_OK);
        CHECK_EQUAL(theirs.bytes, spec.header.segment_bytes);
        CHECK_EQUAL(theirs.header.layout_hash, spec.header.layout_hash);
        CHECK(theirs.header.run_id == ours.header.run_id && theirs.header.run_id != 0);
        CHECK(memcmp(theirs.fields, spec.fields, 7 * sizeof *spec.fields) == 0);
        CHECK(memcmp(theirs.groups, spec.groups, sizeof *spec.groups) == 0);
        CHECK(memcmp(uerl_segment_text(&theirs), small_text, sizeof small_text - 1) == 0);
        CHECK_EQUAL(uerl_segment_header(&theirs)->slot, 3);
        CHECK_EQUAL(uerl_segment_commands(&theirs, 1)->slot, 3);
        uerl_segment_close(&theirs);
    }
    end_segment(&ours);
}

TEST(the_parts_of_a_segment_stand_where_the_layout_says)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(2, 2, 1, 3);
    struct uerl_segment segment;
    CHECK_EQUAL(make_segment(&segment, new_name(name), &spec), UERL_OK);
    const uint8_t *const lane = segment.base + spec.header.lanes_offset + spec.header.lane_bytes;
    CHECK((uint8_t *)uerl_segment_commands(&segment, 1) == lane);
    CHECK((uint8_t *)uerl_segment_results(&segment, 1) == lane + 256);
    CHECK((uint8_t *)uerl_segment_message_to_simulator(&segment, 1) == lane + 512);
    CHECK((uint8_t *)uerl_segment_message_to_learner(&segment, 1) == lane + 512 + 384);
    CHECK_EQUAL(spec.header.lane_bytes, 512 + 2 * 384);
    CHECK((uint8_t *)uerl_segment_slot_epochs(&segment) ==
          segment.base + spec.header.slot_epochs_offset);
    CHECK(uerl_segment_row(&segment, 0, 2, 3) == segment.base + spec.fields[0].offset +
                                                     2 * (4 * 12) + 3 * 12);
    end_segment(&segment);
}

TEST(a_missing_segment_is_not_found_and_the_text_says_what_to_do)
{
    struct uerl_segment segment;
    CHECK_EQUAL(uerl_segment_open(&segment, "uerl-test-nobody", false), UERL_E_NOT_FOUND);
    CHECK_SAYS(uerl_last_error(), "segment " UERL_SHM_DIRECTORY "/uerl-test-nobody not found");
    CHECK_SAYS(uerl_last_error(), "start the learner");
    CHECK_EQUAL(uerl_segment_clean("uerl-test-nobody"), UERL_E_NOT_FOUND);
    CHECK_SAYS(uerl_last_error(), "uerl-test-nobody");
}

/* What else may have that name ----------------------------------------------------------------- */

static int make_file(const char *name, const void *bytes, size_t num_bytes)
{
    char path[128];
    path_of(path, name);
    const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, num_bytes) == (ssize_t)num_bytes);
    return fd;
}

TEST(a_foreign_file_of_that_name_is_refused_and_left_as_it_is)
{
    char name[UERL_NAME_BYTES], path[128], read_back[16] = {0};
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    struct stat before, after;
    const int fd = make_file(new_name(name), "do not touch me", 15);
    path_of(path, name);
    CHECK(fstat(fd, &before) == 0);
    CHECK_EQUAL(make_segment(&segment, name, &spec), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "exists and is no segment of uerl_shm: choose another name");
    CHECK_EQUAL(uerl_segment_open(&segment, name, false), UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "has 15 bytes, expected at least 4096");
    CHECK_EQUAL(uerl_segment_clean(name), UERL_E_EXISTS);
    CHECK(stat(path, &after) == 0 && after.st_ino == before.st_ino && after.st_size == 15);
    CHECK(pread(fd, read_back, 15, 0) == 15 && strcmp(read_back, "do not touch me") == 0);
    CHECK(ftruncate(fd, UERL_HEADER_BYTES) == 0);
    CHECK_EQUAL(uerl_segment_open(&segment, name, false), UERL_E_LAYOUT);
    CHECK_SAYS(uerl_last_error(), "magic is");
    close(fd);
    CHECK(unlink(path) == 0);
}

TEST(links_and_directories_of_that_name_are_refused)
{
    char name[UERL_NAME_BYTES], target[UERL_NAME_BYTES], path[128], target_path[128];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment ours, theirs;
    CHECK_EQUAL(make_segment(&ours, new_name(target), &spec), UERL_OK);
    path_of(path, new_name(name));
    path_of(target_path, target);
    CHECK(symlink(target_path, path) == 0);
    CHECK_EQUAL(uerl_segment_open(&theirs, name, false), UERL_E_SYSTEM);
    CHECK_EQUAL(make_segment(&theirs, name, &spec), UERL_E_EXISTS);
    CHECK(name_exists(name) && name_exists(target));
    CHECK(unlink(path) == 0);
    CHECK(mkdir(path, 0700) == 0);
    CHECK(uerl_segment_open(&theirs, name, false) != UERL_OK);
    CHECK_EQUAL(make_segment(&theirs, name, &spec), UERL_E_EXISTS);
    CHECK_EQUAL(uerl_segment_clean(name), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "exists and is no segment of uerl_shm: choose another name");
    CHECK(rmdir(path) == 0);
    end_segment(&ours);
}

static int open_as_nobody(void *context)
{
    struct uerl_segment segment;
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return 77;
    CHECK_EQUAL(uerl_segment_open(&segment, context, false), UERL_E_SYSTEM);
    CHECK_SAYS(uerl_last_error(), "uid 0 gid 0 with mode 0600, this process is uid 65534");
    CHECK_SAYS(uerl_last_error(), "shm_mode=0o660");
    return 0;
}

TEST(another_user_is_told_whose_the_segment_is_and_how_to_share_it)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    if (geteuid() != 0 || getegid() != 0)
        SKIP("only root can become another user");
    CHECK_EQUAL(make_segment(&segment, new_name(name), &spec), UERL_OK);
    CHECK_EQUAL(end_of_child(start_child(open_as_nobody, name)), 0);
    end_segment(&segment);
}

/* Ends ----------------------------------------------------------------------------------------- */

TEST(an_observer_cannot_write_and_sees_the_locks)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment ours, observer;
    CHECK_EQUAL(make_segment(&ours, new_name(name), &spec), UERL_OK);
    CHECK_EQUAL(uerl_segment_open(&observer, name, true), UERL_OK);
    CHECK_EQUAL(observer.lock_fd, -1);
    CHECK_EQUAL(uerl_lock_probe(observer.file_fd, UERL_LOCK_OWNER), UERL_LOCK_HELD);
    CHECK_EQUAL(uerl_lock_probe(observer.file_fd, UERL_LOCK_LANES), UERL_LOCK_FREE);
    CHECK(fcntl(observer.file_fd, F_GETFL) != -1);
    CHECK_EQUAL(fcntl(observer.file_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    CHECK(mprotect(observer.base, UERL_PAGE_BYTES, PROT_READ | PROT_WRITE) != 0);
    end_segment(&ours);
    CHECK_EQUAL(uerl_lock_probe(observer.file_fd, UERL_LOCK_OWNER), UERL_LOCK_FREE);
    uerl_segment_close(&observer);
}

TEST(unlink_removes_only_the_segments_own_name)
{
    char name[UERL_NAME_BYTES], path[128];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment first, second;
    CHECK_EQUAL(make_segment(&first, new_name(name), &spec), UERL_OK);
    path_of(path, name);
    CHECK(unlink(path) == 0); /* somebody tidied up */
    uerl_segment_unlink(&first);
    CHECK_EQUAL(make_segment(&second, name, &spec), UERL_OK);
    uerl_segment_unlink(&first);
    CHECK(name_exists(name));
    uerl_segment_close(&first);
    CHECK(name_exists(name));
    uerl_segment_unlink(&second);
    CHECK(!name_exists(name));
    uerl_segment_close(&second);
}

TEST(close_leaves_no_fd_and_no_mapping_behind)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment ours, theirs;
    const int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    for (int i = 0; i < 20; i++) {
        CHECK_EQUAL(make_segment(&ours, new_name(name), &spec), UERL_OK);
        CHECK_EQUAL(uerl_segment_open(&theirs, name, i % 2 == 0), UERL_OK);
        uint8_t *const base = theirs.base;
        unsigned char resident;
        uerl_segment_close(&theirs);
        CHECK(mincore(base, UERL_PAGE_BYTES, &resident) != 0 && errno == ENOMEM);
        end_segment(&ours);
    }
    const int again = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_EQUAL(again, lowest);
    close(again);
}

static int keep_a_segment(void *context)
{
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    CHECK_EQUAL(make_segment(&segment, context, &spec), UERL_OK);
    return 0; /* dies without unlinking */
}

TEST(clean_removes_the_segments_of_the_dead_and_never_those_of_the_living)
{
    char dead[UERL_NAME_BYTES], living[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment segment;
    CHECK_EQUAL(end_of_child(start_child(keep_a_segment, (void *)new_name(dead))), 0);
    CHECK_EQUAL(make_segment(&segment, new_name(living), &spec), UERL_OK);
    CHECK_EQUAL(uerl_segment_clean(living), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "is in use by a living learner");
    CHECK(name_exists(living));
    CHECK(name_exists(dead));
    CHECK_EQUAL(uerl_segment_clean(dead), UERL_OK);
    CHECK(!name_exists(dead));
    end_segment(&segment);
}

TEST(clean_leaves_a_segment_alone_that_somebody_takes_over)
{
    char name[UERL_NAME_BYTES], path[128];
    CHECK_EQUAL(end_of_child(start_child(keep_a_segment, (void *)new_name(name))), 0);
    path_of(path, name);
    const int fd = uerl_lock_open(path);
    CHECK_EQUAL(uerl_lock_take(fd, UERL_LOCK_TAKEOVER), UERL_OK);
    CHECK_EQUAL(uerl_segment_clean(name), UERL_E_EXISTS);
    CHECK_SAYS(uerl_last_error(), "is being taken over by another learner");
    CHECK(name_exists(name));
    uerl_lock_close(fd);
    CHECK_EQUAL(uerl_segment_clean(name), UERL_OK);
    CHECK(!name_exists(name));
}

/* A mapping that an engine made ---------------------------------------------------------------- */

static void *map_name(const char *name, uint64_t bytes)
{
    char path[128];
    path_of(path, name);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    CHECK(mapping != MAP_FAILED);
    return mapping;
}

TEST(a_mapping_that_an_engine_made_is_adopted_and_outlives_the_segment)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment ours, adopted;
    CHECK_EQUAL(make_segment(&ours, new_name(name), &spec), UERL_OK);
    struct uerl_header *const first_page = map_name(name, UERL_HEADER_BYTES);
    CHECK_EQUAL(first_page->segment_bytes, spec.header.segment_bytes);
    CHECK(uerl_segment_adopt(&adopted, name, first_page, UERL_HEADER_BYTES) != UERL_OK);
    void *const mapping = map_name(name, spec.header.segment_bytes);
    CHECK_EQUAL(uerl_segment_adopt(&adopted, name, mapping, spec.header.segment_bytes), UERL_OK);
    CHECK(adopted.base == mapping);
    CHECK_EQUAL(uerl_lock_take(adopted.lock_fd, UERL_LOCK_LANES), UERL_OK);
    uerl_segment_close(&adopted);
    CHECK_EQUAL(((struct uerl_header *)mapping)->magic, UERL_MAGIC); /* still mapped */
    CHECK_EQUAL(uerl_lock_probe(ours.lock_fd, UERL_LOCK_LANES), UERL_LOCK_FREE);
    munmap(mapping, spec.header.segment_bytes);
    munmap(first_page, UERL_HEADER_BYTES);
    end_segment(&ours);
}

TEST(a_mapping_of_a_segment_that_was_replaced_since_is_refused)
{
    char name[UERL_NAME_BYTES];
    struct small_spec spec = small_spec(1, 1, 1, 2);
    struct uerl_segment first, second, adopted;
    CHECK_EQUAL(make_segment(&first, new_name(name), &spec), UERL_OK);
    void *const mapping = map_name(name, spec.header.segment_bytes);
    end_segment(&first);
    CHECK_EQUAL(uerl_segment_adopt(&adopted, name, mapping, spec.header.segment_bytes),
                UERL_E_NOT_FOUND);
    CHECK_EQUAL(make_segment(&second, name, &spec), UERL_OK);
    CHECK_EQUAL(uerl_segment_adopt(&adopted, name, mapping, spec.header.segment_bytes),
                UERL_E_NOT_FOUND);
    CHECK_SAYS(uerl_last_error(), "was replaced since it was mapped: map it again");
    munmap(mapping, spec.header.segment_bytes);
    end_segment(&second);
}

int main(void)
{
    RUN(names_are_1_to_64_letters_digits_and_some_marks);
    RUN(a_bad_name_is_refused_by_every_call_that_takes_one);
    RUN(a_segment_that_failed_can_be_closed);
    RUN(another_side_finds_what_the_learner_laid_out);
    RUN(the_parts_of_a_segment_stand_where_the_layout_says);
    RUN(a_missing_segment_is_not_found_and_the_text_says_what_to_do);
    RUN(a_foreign_file_of_that_name_is_refused_and_left_as_it_is);
    RUN(links_and_directories_of_that_name_are_refused);
    RUN(another_user_is_told_whose_the_segment_is_and_how_to_share_it);
    RUN(an_observer_cannot_write_and_sees_the_locks);
    RUN(unlink_removes_only_the_segments_own_name);
    RUN(close_leaves_no_fd_and_no_mapping_behind);
    RUN(clean_removes_the_segments_of_the_dead_and_never_those_of_the_living);
    RUN(clean_leaves_a_segment_alone_that_somebody_takes_over);
    RUN(a_mapping_that_an_engine_made_is_adopted_and_outlives_the_segment);
    RUN(a_mapping_of_a_segment_that_was_replaced_since_is_refused);
    return check_result();
}
