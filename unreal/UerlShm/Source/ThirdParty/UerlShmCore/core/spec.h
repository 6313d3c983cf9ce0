/* A copy of csrc/core/spec.h, made by `make unreal`: change that one. */
/* spec.h: from a spec to offsets. The only code that computes where a byte of the segment is. */
#ifndef UERL_SPEC_H
#define UERL_SPEC_H

#include "uerl_shm/uerl_shm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of one element; 0 for an unknown dtype. */
uint32_t uerl_dtype_bytes(uint32_t dtype);

/* NumPy's name of a dtype, for error texts. */
const char *uerl_dtype_name(uint32_t dtype);

/* Bytes of one row's array, or 0 on overflow or an impossible shape. */
uint64_t uerl_row_bytes(uint32_t dtype, uint32_t num_dims, const uint64_t *shape);

/* Fills every offset, stride, size and the hash from what the caller has set:
 *   header  num_lanes, envs_per_lane, num_groups, num_fields, num_slots, autoreset_mode,
 *           message_bytes, text_bytes
 *   groups  name, rows_per_env
 *   fields  name, group, role, dtype, num_dims, shape
 * Does not touch magic and run_id. Returns UERL_OK or UERL_E_INVALID. */
int uerl_spec_layout(struct uerl_header *header, struct uerl_group *groups,
                     struct uerl_field *fields);

/* Checks a segment of `bytes` bytes that somebody else made: copies header and tables, computes the
 * layout again and compares. On UERL_OK the copies stand in *header, *groups and *fields (the
 * caller frees the last two) and every offset in them lies inside the segment. Otherwise
 * UERL_E_LAYOUT or UERL_E_CORRUPT. */
int uerl_spec_check(const void *mapping, uint64_t bytes, struct uerl_header *header,
                    struct uerl_group **groups, struct uerl_field **fields);

#ifdef __cplusplus
}
#endif

#endif
