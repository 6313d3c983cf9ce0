/* segment_parts.c: where the parts of a checked segment are; portable. */
#include "segment.h"

struct uerl_header *uerl_segment_header(const struct uerl_segment *segment)
{
    return (struct uerl_header *)segment->base;
}

static uint8_t *lane(const struct uerl_segment *segment, uint32_t index)
{
    return segment->base + segment->header.lanes_offset + index * segment->header.lane_bytes;
}

struct uerl_lane_commands *uerl_segment_commands(const struct uerl_segment *segment, uint32_t index)
{
    return (struct uerl_lane_commands *)lane(segment, index);
}

struct uerl_lane_results *uerl_segment_results(const struct uerl_segment *segment, uint32_t index)
{
    return (struct uerl_lane_results *)(lane(segment, index) + sizeof(struct uerl_lane_commands));
}

static uint64_t message_area_bytes(const struct uerl_segment *segment)
{
    return (segment->header.lane_bytes - sizeof(struct uerl_lane_commands) -
            sizeof(struct uerl_lane_results)) /
           2;
}

struct uerl_message *uerl_segment_message_to_simulator(const struct uerl_segment *segment,
                                                       uint32_t index)
{
    return (struct uerl_message *)(lane(segment, index) + sizeof(struct uerl_lane_commands) +
                                   sizeof(struct uerl_lane_results));
}

struct uerl_message *uerl_segment_message_to_learner(const struct uerl_segment *segment,
                                                     uint32_t index)
{
    return (struct uerl_message *)((uint8_t *)uerl_segment_message_to_simulator(segment, index) +
                                   message_area_bytes(segment));
}

uint32_t *uerl_segment_slot_epochs(const struct uerl_segment *segment)
{
    return (uint32_t *)(segment->base + segment->header.slot_epochs_offset);
}

const char *uerl_segment_text(const struct uerl_segment *segment)
{
    return (const char *)(segment->base + segment->header.text_offset);
}

uint8_t *uerl_segment_row(const struct uerl_segment *segment, uint32_t field, uint32_t slot,
                          uint32_t row)
{
    const struct uerl_field *entry = &segment->fields[field];
    return segment->base + entry->offset + slot * entry->slot_stride + row * entry->row_stride;
}
