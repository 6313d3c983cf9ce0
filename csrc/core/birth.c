/* birth.c: how a segment comes into being, takes a dead one's name over, and is cleaned away.
 *
 *   O_TMPFILE -> fallocate -> fchown, fchmod -> contents, magic last -> owner's lock -> linkat
 *
 * A half-made or unlocked segment never has a name. A restart is always a new inode: the new
 * segment is renamed over the old name, so whoever still maps the old one writes into memory of its
 * own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "atomics.h"
#include "error.h"
#include "lock.h"
#include "memory_limit.h"
#include "segment.h"
#include "segment_private.h"

#define ALLOCATE_BYTES (INT64_C(8) << 20) /* so that a signal never throws gigabytes away */

static int check_memory_limit(const char *name, uint64_t bytes)
{
    struct uerl_memory_limit memory;
    uerl_memory_limit(&memory);
    if (memory.free_bytes >= bytes)
        return UERL_OK;
    return uerl_fail(UERL_E_FULL,
                     "segment %s needs %llu bytes, the memory limit of this container leaves %llu "
                     "free of %llu: raise resources.limits.memory (Pod) or --memory (container), "
                     "or use fewer slots or envs",
                     name, (unsigned long long)bytes, (unsigned long long)memory.free_bytes,
                     (unsigned long long)memory.limit_bytes);
}

static int check_free_bytes(const char *name, uint64_t bytes)
{
    struct statvfs mount;
    if (statvfs(UERL_SHM_DIRECTORY, &mount) != 0)
        return uerl_fail_errno(UERL_SHM_DIRECTORY " cannot be examined");
    const uint64_t free_bytes = (uint64_t)mount.f_bavail * mount.f_frsize;
    if (mount.f_blocks == 0 || free_bytes >= bytes)
        return check_memory_limit(name, bytes);
    return uerl_fail(UERL_E_FULL,
                     "segment %s needs %llu bytes, " UERL_SHM_DIRECTORY " has %llu free of %llu: "
                     "raise sizeLimit (Pod) or --shm-size (container), use fewer slots or envs, or "
                     "run `uerl-shm clean`",
                     name, (unsigned long long)bytes, (unsigned long long)free_bytes,
                     (unsigned long long)mount.f_blocks * mount.f_frsize);
}

/* Reserves every page now, so that no later store can fail. */
static int allocate(int fd, const char *name, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        const uint64_t left = bytes - done;
        const off_t chunk = left < ALLOCATE_BYTES ? (off_t)left : ALLOCATE_BYTES;
        const int cause = posix_fallocate(fd, (off_t)done, chunk);
        if (cause == EINTR)
            continue;
        if (cause == ENOSPC) {
            const int error = check_free_bytes(name, bytes);
            return error != UERL_OK ? error
                                    : uerl_fail(UERL_E_FULL,
                                                "segment %s needs %llu bytes, " UERL_SHM_DIRECTORY
                                                " is full: make room",
                                                name, (unsigned long long)bytes);
        }
        if (cause != 0) {
            errno = cause;
            return uerl_fail_errno("segment %s: %llu bytes cannot be allocated", name,
                                   (unsigned long long)bytes);
        }
        done += (uint64_t)chunk;
    }
    return UERL_OK;
}

static int give_access(int fd, const char *name, mode_t mode, gid_t gid)
{
    if (gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) != 0)
        return uerl_fail_errno("segment %s cannot be given to group %u: join that group, or choose "
                               "another shm_group=",
                               name, gid);
    if (fchmod(fd, mode) != 0)
        return uerl_fail_errno("segment %s cannot get mode %04o", name, mode);
    return UERL_OK;
}

static int random_run_id(uint64_t *run_id)
{
    do {
        if (getrandom(run_id, sizeof *run_id, 0) != sizeof *run_id)
            return uerl_fail_errno("no random run id");
    } while (*run_id == 0);
    return UERL_OK;
}

static void write_contents(struct uerl_segment *segment, const char *text)
{
    const struct uerl_header *header = &segment->header;
    memcpy(segment->base, header, sizeof *header);
    memcpy(segment->base + header->groups_offset, segment->groups,
           header->num_groups * sizeof *segment->groups);
    memcpy(segment->base + header->fields_offset, segment->fields,
           header->num_fields * sizeof *segment->fields);
    memcpy(segment->base + header->text_offset, text, header->text_bytes);
    struct uerl_header *shared = uerl_segment_header(segment);
    shared->slot = header->num_slots;
    for (uint32_t i = 0; i < header->num_lanes; i++)
        uerl_segment_commands(segment, i)->slot = header->num_slots;
    /* [B] Whoever sees the magic sees all of the above. Pairs with [M]. */
    store_release_u64(&shared->magic, UERL_MAGIC);
}

/* Learns what holds `path`, and holds its takeover byte if that is a segment with a dead owner.
 * Returns a lock fd or a negative error. */
static int take_over_dead(const char *path, const char *name)
{
    struct stat file, named;
    const int fd = uerl_lock_open(path);
    if (fd < 0)
        return errno == ENOENT
                   ? UERL_E_NOT_FOUND
                   : uerl_fail(UERL_E_EXISTS, "%s exists and %s: choose another name", path,
                               errno == EACCES ? "belongs to another user"
                                               : "is no segment of uerl_shm");
    uint64_t magic = 0;
    int error = UERL_OK;
    if (pread(fd, &magic, sizeof magic, 0) != sizeof magic || magic != UERL_MAGIC)
        error = uerl_fail(UERL_E_EXISTS,
                          "%s exists and is no segment of uerl_shm: choose another "
                          "name",
                          path);
    else if (uerl_lock_probe(fd, UERL_LOCK_OWNER) != UERL_LOCK_FREE)
        error = uerl_fail(UERL_E_EXISTS,
                          "segment %s is in use by a living learner: choose another "
                          "name, or stop that learner",
                          name);
    else if (uerl_lock_take(fd, UERL_LOCK_TAKEOVER) != UERL_OK)
        error = uerl_fail(UERL_E_EXISTS,
                          "segment %s is being taken over by another learner: choose "
                          "another name",
                          name);
    else if (fstat(fd, &file) != 0 || lstat(path, &named) != 0 || file.st_ino != named.st_ino ||
             file.st_dev != named.st_dev)
        error = uerl_fail(UERL_E_NOT_FOUND,
                          "segment %s went away while it was looked at: try "
                          "again",
                          name);
    if (error == UERL_OK)
        return fd;
    uerl_lock_close(fd);
    return error;
}

static int replace_dead(const char *file_link, const char *path, const struct uerl_segment *segment)
{
    char temporary[UERL_PATH_BYTES];
    const int fd = take_over_dead(path, segment->name);
    if (fd < 0)
        return fd;
    int error = UERL_OK;
    snprintf(temporary, sizeof temporary, "%s/.uerl-%016llx", UERL_SHM_DIRECTORY,
             (unsigned long long)segment->header.run_id);
    if (linkat(AT_FDCWD, file_link, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) != 0) {
        error = uerl_fail_errno("segment %s cannot be linked", segment->name);
    } else if (rename(temporary, path) != 0) {
        error = uerl_fail_errno("segment %s cannot take the dead one's place", segment->name);
        unlink(temporary);
    }
    uerl_lock_close(fd);
    return error;
}

/* Gives the finished segment its name. */
static int publish_name(const struct uerl_segment *segment, int fd)
{
    char file_link[64], path[UERL_PATH_BYTES];
    snprintf(file_link, sizeof file_link, "/proc/self/fd/%d", fd);
    uerl_segment_path(path, segment->name);
    for (int attempt = 0; attempt < 100; attempt++) {
        if (linkat(AT_FDCWD, file_link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
            return UERL_OK;
        if (errno != EEXIST)
            return uerl_fail_errno("segment %s cannot be linked", segment->name);
        const int error = replace_dead(file_link, path, segment);
        if (error != UERL_E_NOT_FOUND)
            return error;
    }
    return uerl_fail(UERL_E_EXISTS, "segment %s keeps being replaced: choose another name",
                     segment->name);
}

static int fill(struct uerl_segment *segment, int fd, const char *text, uint32_t mode, uint32_t gid)
{
    char file_link[64];
    const uint64_t bytes = segment->header.segment_bytes;
    int error = allocate(fd, segment->name, bytes);
    if (error == UERL_OK)
        error = give_access(fd, segment->name, mode, gid);
    if (error == UERL_OK)
        error = uerl_segment_map(segment, fd, bytes, false);
    if (error != UERL_OK)
        return error;
    madvise(segment->base, bytes, MADV_POPULATE_WRITE); /* older kernels: the first touch does it */
    write_contents(segment, text);
    snprintf(file_link, sizeof file_link, "/proc/self/fd/%d", fd);
    segment->lock_fd = uerl_lock_open(file_link);
    if (segment->lock_fd < 0)
        return segment->lock_fd;
    return uerl_lock_take(segment->lock_fd, UERL_LOCK_OWNER);
}

static int copy_tables(struct uerl_segment *segment, const struct uerl_header *header,
                       const struct uerl_group *groups, const struct uerl_field *fields)
{
    segment->header = *header;
    segment->header.magic = 0;
    segment->groups = malloc(header->num_groups * sizeof *groups);
    segment->fields = malloc(header->num_fields * sizeof *fields);
    if (segment->groups == NULL || segment->fields == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for the tables of segment %s", segment->name);
    memcpy(segment->groups, groups, header->num_groups * sizeof *groups);
    memcpy(segment->fields, fields, header->num_fields * sizeof *fields);
    return random_run_id(&segment->header.run_id);
}

int uerl_segment_create(struct uerl_segment *segment, const char *name,
                        const struct uerl_header *header, const struct uerl_group *groups,
                        const struct uerl_field *fields, const char *text, uint32_t mode,
                        uint32_t gid)
{
    uerl_segment_begin(segment, name);
    int error = uerl_segment_check_name(name);
    if (error == UERL_OK)
        error = check_free_bytes(name, header->segment_bytes);
    if (error != UERL_OK)
        return error;
    const int fd = open(UERL_SHM_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return uerl_fail_errno("segment %s cannot be made in " UERL_SHM_DIRECTORY, name);
    struct stat file;
    error = copy_tables(segment, header, groups, fields);
    if (error == UERL_OK)
        segment->header.file_mode = mode;
    if (error == UERL_OK)
        error = fill(segment, fd, text, mode, gid);
    if (error == UERL_OK && fstat(fd, &file) != 0)
        error = uerl_fail_errno("segment %s cannot be examined", name);
    if (error == UERL_OK) {
        segment->device = file.st_dev;
        segment->inode = file.st_ino;
        error = publish_name(segment, fd);
    }
    close(fd);
    if (error != UERL_OK)
        uerl_segment_close(segment);
    return error;
}

int uerl_segment_clean(const char *name)
{
    char path[UERL_PATH_BYTES];
    /* Not check_name(): replace_dead() calls a segment .uerl-... for an instant, and may die then.
     */
    if (strlen(name) > 2 * UERL_NAME_BYTES || strchr(name, '/') != NULL || name[0] == '\0')
        return uerl_fail(
            UERL_E_INVALID,
            "segment name '%.100s' is not allowed, expected a name in " UERL_SHM_DIRECTORY
            ": run `uerl-shm ls`",
            name);
    uerl_segment_path(path, name);
    const int fd = take_over_dead(path, name);
    if (fd < 0)
        return fd;
    int error = UERL_OK;
    if (unlink(path) != 0)
        error = uerl_fail_errno("segment %s cannot be removed", name);
    uerl_lock_close(fd);
    return error;
}
