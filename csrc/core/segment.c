/* segment.c: attachment to a named segment, its parts and its end; birth.c makes one. */
#define _GNU_SOURCE
#include "segment.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "atomics.h"
#include "error.h"
#include "guard.h"
#include "lock.h"
#include "segment_private.h"

int uerl_segment_check_name(const char *name)
{
    const size_t length = strlen(name);
    bool good =
        length >= 1 && length <= UERL_NAME_BYTES && (isalnum((uint8_t)name[0]) || name[0] == '{');
    for (size_t i = 1; good && i < length; i++)
        good = isalnum((uint8_t)name[i]) || strchr("._{}-", name[i]) != NULL;
    if (good)
        return UERL_OK;
    return uerl_fail(UERL_E_INVALID,
                     "segment name '%.100s' is not allowed, expected 1 to 64 letters, digits or "
                     "._{}- that begin with a letter, a digit or {: choose another name",
                     name);
}

void uerl_segment_path(char path[UERL_PATH_BYTES], const char *name)
{
    snprintf(path, UERL_PATH_BYTES, "%s/%s", UERL_SHM_DIRECTORY, name);
}

static int open_failed(const char *path)
{
    if (errno == ENOENT)
        return uerl_fail(
            UERL_E_NOT_FOUND,
            "segment %s not found, expected a learner that made it: start the learner, "
            "check the name, and check that both sides share /dev/shm",
            path);
    struct stat stat_now;
    if (errno == EACCES && stat(path, &stat_now) == 0) {
        errno = EACCES;
        return uerl_fail_errno(
            "segment %s belongs to uid %u gid %u with mode %04o, this process is "
            "uid %u gid %u: run both as one user, or give the learner shm_group= "
            "and shm_mode=0o660, or run_as_user=",
            path, stat_now.st_uid, stat_now.st_gid, stat_now.st_mode & 07777u, geteuid(),
            getegid());
    }
    return uerl_fail_errno("segment %s cannot be opened", path);
}

/* Is this open file a regular file in memory, of at least a header? */
static int check_file(int fd, const char *path, struct stat *file, bool read_only)
{
    struct statfs mount;
    if (fstat(fd, file) != 0 || fstatfs(fd, &mount) != 0)
        return uerl_fail_errno("segment %s cannot be examined", path);
    if (!S_ISREG(file->st_mode))
        return uerl_fail(UERL_E_LAYOUT,
                         "%s is not a regular file, expected a segment of uerl_shm: choose another "
                         "name",
                         path);
    if (mount.f_type != TMPFS_MAGIC)
        return uerl_fail(UERL_E_LAYOUT,
                         "%s is not a regular file on tmpfs: mount tmpfs at " UERL_SHM_DIRECTORY,
                         path);
    if (file->st_size < UERL_HEADER_BYTES)
        return uerl_fail(UERL_E_LAYOUT,
                         "%s has %lld bytes, expected at least %d: this is no segment "
                         "of uerl_shm; choose another name",
                         path, (long long)file->st_size, UERL_HEADER_BYTES);
    /* Root may read what it likes, and is the one to find out what a stranger's segment is. */
    return read_only && geteuid() == 0 ? UERL_OK : uerl_segment_check_doors(fd, path, file);
}

int uerl_segment_map(struct uerl_segment *segment, int fd, uint64_t bytes, bool read_only)
{
    const int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void *base = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return uerl_fail_errno("segment %s cannot be mapped (%llu bytes)", segment->name,
                               (unsigned long long)bytes);
    /* A forked child must not write here after its parent's lock was seen free; and a core dump of
     * gigabytes of frames would keep a dead simulator's lane locked for seconds. */
    madvise(base, bytes, MADV_DONTFORK);
    madvise(base, bytes, MADV_DONTDUMP);
    segment->base = base;
    segment->guard = uerl_guard_add(base, bytes);
    segment->bytes = bytes;
    segment->own_mapping = true;
    return UERL_OK;
}

static int open_and_map(struct uerl_segment *segment, const char *path, bool read_only)
{
    /* O_NONBLOCK: a FIFO of that name is refused, not waited for. */
    const int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    const int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | flags);
    if (fd < 0)
        return open_failed(path);
    struct stat file;
    int error = check_file(fd, path, &file, read_only);
    if (error == UERL_OK)
        error = uerl_segment_map(segment, fd, (uint64_t)file.st_size, read_only);
    if (error != UERL_OK) {
        close(fd);
        return error;
    }
    segment->device = file.st_dev;
    segment->inode = file.st_ino;
    if (read_only)
        segment->file_fd = fd;
    else
        close(fd);
    return UERL_OK;
}

void uerl_segment_begin(struct uerl_segment *segment, const char *name)
{
    memset(segment, 0, sizeof *segment);
    segment->owner = getpid();
    snprintf(segment->name, sizeof segment->name, "%s", name);
    segment->lock_fd = -1;
    segment->file_fd = -1;
    segment->guard = -1;
}

/* The lock fd is a second open of the same name: another inode means that a new learner took the
 * name over in between. */
static int open_lock(struct uerl_segment *segment, const char *path)
{
    segment->lock_fd = uerl_lock_open(path);
    if (segment->lock_fd < 0)
        return errno == ENOENT ? UERL_E_NOT_FOUND : UERL_E_SYSTEM;
    struct stat file;
    if (fstat(segment->lock_fd, &file) != 0)
        return uerl_fail_errno("segment %s cannot be examined", path);
    if (segment->inode == 0) { /* adopted: the engine opened it, and looked at nothing */
        segment->device = file.st_dev;
        segment->inode = file.st_ino;
        return uerl_segment_check_doors(segment->lock_fd, path, &file);
    } else if (file.st_dev != segment->device || file.st_ino != segment->inode) {
        return uerl_fail(UERL_E_NOT_FOUND, "segment %s was replaced while it was opened: try again",
                         path);
    }
    return UERL_OK;
}

int uerl_segment_open(struct uerl_segment *segment, const char *name, bool read_only)
{
    char path[UERL_PATH_BYTES];
    uerl_segment_begin(segment, name);
    int error = uerl_segment_check_name(name);
    if (error != UERL_OK)
        return error;
    uerl_segment_path(path, name);
    error = open_and_map(segment, path, read_only);
    if (error == UERL_OK)
        error = uerl_spec_check(segment->base, segment->bytes, &segment->header, &segment->groups,
                                &segment->fields);
    if (error == UERL_OK && !read_only)
        error = open_lock(segment, path);
    if (error != UERL_OK)
        uerl_segment_close(segment);
    return error;
}

int uerl_segment_adopt(struct uerl_segment *segment, const char *name, void *mapping,
                       uint64_t bytes)
{
    char path[UERL_PATH_BYTES];
    uerl_segment_begin(segment, name);
    int error = uerl_segment_check_name(name);
    if (error != UERL_OK)
        return error;
    segment->base = mapping;
    segment->guard = uerl_guard_add(mapping, bytes);
    segment->bytes = bytes;
    madvise(mapping, bytes, MADV_DONTFORK);
    uerl_segment_path(path, name);
    error = uerl_spec_check(mapping, bytes, &segment->header, &segment->groups, &segment->fields);
    if (error == UERL_OK)
        error = open_lock(segment, path);
    uint64_t run_id = 0; /* at the same offset in the file: is it the file that was mapped? */
    if (error == UERL_OK && pread(segment->lock_fd, &run_id, sizeof run_id,
                                  offsetof(struct uerl_header, run_id)) != sizeof run_id)
        error = uerl_fail_errno("segment %s cannot be read", path);
    if (error == UERL_OK && run_id != segment->header.run_id)
        error = uerl_fail(UERL_E_NOT_FOUND,
                          "segment %s was replaced since it was mapped: map it "
                          "again",
                          path);
    if (error != UERL_OK)
        uerl_segment_close(segment);
    return error;
}

void uerl_segment_unlock(struct uerl_segment *segment)
{
    /* The fork closed the copy of the lock fd: its number may be another lock's by now. */
    if (!uerl_segment_inherited(segment))
        uerl_lock_close(segment->lock_fd);
    segment->lock_fd = -1;
    if (segment->file_fd >= 0)
        close(segment->file_fd);
    segment->file_fd = -1;
}

bool uerl_segment_inherited(const struct uerl_segment *segment)
{
    return segment->owner != getpid();
}

int uerl_segment_check_whole(const struct uerl_segment *segment, bool thoroughly)
{
    struct stat file;
    const char *found = NULL;
    if (uerl_guard_broken(segment->guard))
        found = "was truncated while it was in use";
    else if (thoroughly && segment->lock_fd >= 0 && fstat(segment->lock_fd, &file) == 0 &&
             (uint64_t)file.st_size < segment->bytes)
        found = "was truncated while it was in use";
    else if (thoroughly && load_relaxed_u64(&uerl_segment_header(segment)->magic) != UERL_MAGIC)
        found = "was overwritten";
    if (found == NULL)
        return UERL_OK;
    return uerl_fail(UERL_E_CORRUPT,
                     "segment file " UERL_SHM_DIRECTORY "/%s %s, expected %llu bytes that only its "
                     "learner and simulators write: close this env and make a new one, and keep "
                     "other programs away from the file",
                     segment->name, found, (unsigned long long)segment->bytes);
}

void uerl_segment_close(struct uerl_segment *segment)
{
    /* Unmap first: a free lock promises that nothing of this process can be stored any more. In a
     * forked child there may be something else by now where the mapping was. */
    if (segment->base != NULL && segment->own_mapping && !uerl_segment_inherited(segment))
        munmap(segment->base, segment->bytes);
    uerl_guard_remove(segment->guard);
    segment->guard = -1;
    segment->base = NULL;
    uerl_segment_unlock(segment);
    free(segment->groups);
    free(segment->fields);
    segment->groups = NULL;
    segment->fields = NULL;
}

void uerl_segment_unlink(const struct uerl_segment *segment)
{
    if (uerl_segment_inherited(segment))
        return;
    char path[UERL_PATH_BYTES];
    struct stat file;
    uerl_segment_path(path, segment->name);
    if (lstat(path, &file) == 0 && file.st_dev == segment->device && file.st_ino == segment->inode)
        unlink(path);
}
