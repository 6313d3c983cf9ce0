/* segment.h: birth, attachment and end of one named segment in /dev/shm. */
#ifndef UERL_SEGMENT_H
#define UERL_SEGMENT_H

#include <stdbool.h>

#include "spec.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UERL_SHM_DIRECTORY "/dev/shm"

/* A segment in this process. */
struct uerl_segment {
    char name[UERL_NAME_BYTES + 1];
    int64_t owner; /* process that mapped it: a fork of it has neither the mapping nor the locks */
    uint8_t *base;
    uint64_t bytes;            /* of the mapping */
    bool own_mapping;          /* false: an engine made it and unmaps it */
    int guard;                 /* of guard.h; -1: none */
    int lock_fd;               /* -1 when read-only */
    int file_fd;               /* observers keep one to probe locks; -1 otherwise */
    uint64_t device;           /* of the file */
    uint64_t inode;            /* likewise */
    struct uerl_header header; /* this side's copy: identity and sizes, checked */
    struct uerl_group *groups; /* likewise */
    struct uerl_field *fields; /* likewise */
};

/* [A-Za-z0-9{][A-Za-z0-9._{}-]{0,63}, no slash: the string Unreal maps. */
int uerl_segment_check_name(const char *name);

/* Makes a segment and takes its owner's lock. `header`, `groups` and `fields` are as
 * uerl_spec_layout() left them; `text` has header->text_bytes bytes. mode, gid: of the file, gid
 * UINT32_MAX: leave. A name whose owner is dead is taken over.
 *
 * Returns UERL_OK; UERL_E_INVALID; UERL_E_EXISTS (in use, or not ours); UERL_E_FULL; UERL_E_SYSTEM.
 */
int uerl_segment_create(struct uerl_segment *segment, const char *name,
                        const struct uerl_header *header, const struct uerl_group *groups,
                        const struct uerl_field *fields, const char *text, uint32_t mode,
                        uint32_t gid);

/* Maps the segment `name` and checks it. read_only: an observer; takes no lock fd.
 * Returns UERL_OK; UERL_E_NOT_FOUND; UERL_E_LAYOUT; UERL_E_CORRUPT; UERL_E_SYSTEM. */
int uerl_segment_open(struct uerl_segment *segment, const char *name, bool read_only);

/* As uerl_segment_open(), over a mapping that the engine made. */
int uerl_segment_adopt(struct uerl_segment *segment, const char *name, void *mapping,
                       uint64_t bytes);

/* Was this mapped before a fork, by another process? Then nothing of it may be touched. */
bool uerl_segment_inherited(const struct uerl_segment *segment);

/* Is the file still whole? Looks at the file itself only if `thoroughly`.
 * Returns UERL_OK; UERL_E_CORRUPT: it was truncated or overwritten; the text names it. */
int uerl_segment_check_whole(const struct uerl_segment *segment, bool thoroughly);

/* Lets go of the locks and the mapping; leaves the name alone. */
void uerl_segment_close(struct uerl_segment *segment);

/* Lets go of the locks alone. */
void uerl_segment_unlock(struct uerl_segment *segment);

/* Removes the name if it still names this segment. */
void uerl_segment_unlink(const struct uerl_segment *segment);

/* Removes the name `name` if it is a segment whose owner is dead. Returns UERL_OK; UERL_E_INVALID;
 * UERL_E_NOT_FOUND; UERL_E_EXISTS (its owner lives, or another process takes it over, or not ours);
 * UERL_E_SYSTEM. */
int uerl_segment_clean(const char *name);

/* The parts of a checked segment. */
struct uerl_header *uerl_segment_header(const struct uerl_segment *segment);
struct uerl_lane_commands *uerl_segment_commands(const struct uerl_segment *segment, uint32_t lane);
struct uerl_lane_results *uerl_segment_results(const struct uerl_segment *segment, uint32_t lane);
struct uerl_message *uerl_segment_message_to_simulator(const struct uerl_segment *segment,
                                                       uint32_t lane);
struct uerl_message *uerl_segment_message_to_learner(const struct uerl_segment *segment,
                                                     uint32_t lane);
uint32_t *uerl_segment_slot_epochs(const struct uerl_segment *segment);
const char *uerl_segment_text(const struct uerl_segment *segment);
uint8_t *uerl_segment_row(const struct uerl_segment *segment, uint32_t field, uint32_t slot,
                          uint32_t row);

#ifdef __cplusplus
}
#endif

#endif
