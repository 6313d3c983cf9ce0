/* A copy of csrc/core/doors.c, made by `make unreal`: change that one. */
/* doors.c: is a segment's file somebody's whom we trust, and closed to everybody else? */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "segment_private.h"

static bool is_in_group(gid_t gid)
{
    bool found = gid == getegid();
    const int count = getgroups(0, NULL);
    gid_t *const groups = count > 0 ? malloc((size_t)count * sizeof *groups) : NULL;
    const int num_groups = groups == NULL ? 0 : getgroups(count, groups);
    for (int i = 0; i < num_groups && !found; i++)
        found = groups[i] == gid;
    free(groups);
    return found;
}

/* Permission bits that its learner was asked for; none where there is no such learner. */
static mode_t asked_mode(int fd)
{
    uint32_t mode = 0;
    if (pread(fd, &mode, sizeof mode, offsetof(struct uerl_header, file_mode)) != sizeof mode)
        return 0;
    return mode;
}

/* A stranger could truncate, read and write what we map; so could everybody, if everybody may open
 * it. An owner whom we trust may want that, and says so in the header. */
int uerl_segment_check_doors(int fd, const char *path, const struct stat *file)
{
    const char *expected = NULL;
    if (file->st_uid != geteuid() && file->st_uid != 0 && !is_in_group(file->st_gid))
        expected = "this process's user, root, or a group of this process";
    else if ((file->st_mode & (S_ISUID | S_ISGID)) != 0)
        expected = "no setuid or setgid bit";
    else if ((file->st_mode & S_IRWXO & ~asked_mode(fd)) != 0)
        expected = "nothing for others that its learner was not asked for";
    else if (file->st_nlink > 1)
        expected = "no name but this one";
    if (expected == NULL)
        return UERL_OK;
    errno = EACCES;
    return uerl_fail_errno("segment %s belongs to uid %u gid %u with mode %04o and %u names, this "
                           "process is uid %u gid %u, expected %s: run both as one user, or give "
                           "the learner shm_group= and shm_mode=0o660, or choose another name",
                           path, file->st_uid, file->st_gid, file->st_mode & 07777u,
                           (unsigned)file->st_nlink, geteuid(), getegid(), expected);
}
