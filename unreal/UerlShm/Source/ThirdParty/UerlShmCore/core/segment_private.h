/* A copy of csrc/core/segment_private.h, made by `make unreal`: change that one. */
/* segment_private.h: what segment.c, birth.c and doors.c share. Include segment.h instead. */
#ifndef UERL_SEGMENT_PRIVATE_H
#define UERL_SEGMENT_PRIVATE_H

#include <sys/stat.h>

#include "segment.h"

enum { UERL_PATH_BYTES = 256 };

void uerl_segment_begin(struct uerl_segment *segment, const char *name);
void uerl_segment_path(char path[UERL_PATH_BYTES], const char *name);
int uerl_segment_map(struct uerl_segment *segment, int fd, uint64_t bytes, bool read_only);
int uerl_segment_check_doors(int fd, const char *path, const struct stat *file);

#endif
