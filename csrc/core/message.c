/* message.c: a simulator's messages: bounded bytes beside the rings; portable. */
#include <string.h>

#include "atomics.h"
#include "error.h"
#include "simulator_private.h"

void uerl_simulator_look_for_message(uerl_simulator *simulator)
{
    const uint32_t count = simulator->command.message_count;
    simulator->message_kind = 0;
    if (count == simulator->messages_seen)
        return;
    simulator->messages_seen = count;
    const struct uerl_message *area =
        uerl_segment_message_to_simulator(&simulator->segment, simulator->place);
    const uint32_t bytes = load_relaxed_u32(&area->bytes);
    if (bytes > simulator->segment.header.message_bytes)
        return; /* nobody who follows the protocol wrote that */
    simulator->message_kind = load_relaxed_u32(&area->kind);
    simulator->message_bytes = bytes;
}

const void *uerl_simulator_message(const uerl_simulator *simulator, uint32_t *kind, uint32_t *bytes)
{
    if (simulator->message_kind == 0 || !simulator->in_command)
        return NULL;
    *kind = simulator->message_kind;
    *bytes = simulator->message_bytes;
    return uerl_segment_message_to_simulator(&simulator->segment, simulator->place) + 1;
}

int uerl_simulator_write_message(uerl_simulator *simulator, uint32_t kind, const void *data,
                                 uint64_t bytes)
{
    const uint32_t capacity = simulator->segment.header.message_bytes;
    if (bytes > capacity)
        return uerl_fail(UERL_E_INVALID,
                         "message has %llu bytes, expected at most %u: raise "
                         "message_bytes in the spec",
                         (unsigned long long)bytes, capacity);
    struct uerl_message *area =
        uerl_segment_message_to_learner(&simulator->segment, simulator->place);
    if (bytes > 0) /* without bytes, data may be null */
        memcpy(area + 1, data, bytes);
    area->kind = kind;
    area->bytes = (uint32_t)bytes;
    /* [T] The message is complete before it is counted. Pairs with [U] in the learner. */
    store_release_u32(&simulator->results->message_count, ++simulator->messages_written);
    return UERL_OK;
}

void uerl_simulator_write_error(uerl_simulator *simulator, const char *text)
{
    const uint32_t capacity = simulator->segment.header.message_bytes;
    const size_t length = strlen(text);
    uerl_simulator_write_message(simulator, UERL_MESSAGE_ERROR, text,
                                 length < capacity ? length : capacity);
}
