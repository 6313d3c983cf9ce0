/* bridge_frames.c: the frames of a bridge, from and to a connection in pieces of any size;
 * portable. Every length is compared with what is expected before anything is kept. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bridge_private.h"
#include "error.h"

int uerl_bridge_end_with(uerl_bridge *bridge, int code, const char *format, ...)
{
    if (bridge->state != UERL_BRIDGE_ENDED) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(bridge->why, sizeof bridge->why, format, arguments);
        va_end(arguments);
        bridge->state = UERL_BRIDGE_ENDED;
        bridge->code = code;
    }
    return uerl_fail(bridge->code, "%s", bridge->why);
}

void uerl_bridge_cut(uerl_bridge *bridge, const char *why)
{
    uerl_bridge_end_with(bridge, UERL_E_CLOSED, "%s", why);
}

static bool is_idle(const uerl_bridge *bridge)
{
    return bridge->left == 0 && !bridge->has_rows && bridge->rest_bytes == 0;
}

/* Rows --------------------------------------------------------------------------------------- */

static bool is_in_walk(const uerl_bridge *bridge, const struct uerl_bridge_walk *walk, uint32_t env)
{
    const struct uerl_segment *segment = &bridge->simulator->segment;
    if (walk->of_learner)
        return true;
    const uint32_t row = env * segment->groups[0].rows_per_env;
    const uint32_t control = (uint32_t)bridge->simulator->fixed[0].control;
    return *uerl_segment_row(segment, control, 0, row) != UERL_CONTROL_SKIP;
}

bool uerl_bridge_next_rows(const uerl_bridge *bridge, struct uerl_bridge_walk *walk, uint8_t **rows,
                           uint64_t *bytes)
{
    const struct uerl_segment *segment = &bridge->simulator->segment;
    const uint32_t num_envs = segment->header.envs_per_lane;
    for (; walk->field < segment->header.num_fields; walk->field++, walk->env = 0) {
        const struct uerl_field *field = &segment->fields[walk->field];
        if ((field->role >= UERL_ROLE_FIRST_OF_LEARNER) != walk->of_learner)
            continue;
        while (walk->env < num_envs && !is_in_walk(bridge, walk, walk->env))
            walk->env++;
        const uint32_t first = walk->env;
        while (walk->env < num_envs && is_in_walk(bridge, walk, walk->env))
            walk->env++;
        if (walk->env == first)
            continue;
        const uint32_t rows_per_env = segment->groups[field->group].rows_per_env;
        *rows = uerl_segment_row(segment, walk->field, 0, first * rows_per_env);
        *bytes = (uint64_t)(walk->env - first) * rows_per_env * field->row_stride;
        return true;
    }
    return false;
}

/* Input -------------------------------------------------------------------------------------- */

void uerl_bridge_want(uerl_bridge *bridge, enum uerl_bridge_stage stage, void *into, uint64_t bytes)
{
    bridge->stage = stage;
    bridge->into = into;
    bridge->wanted = bytes;
    bridge->got = 0;
}

static void want_frame(uerl_bridge *bridge)
{
    uerl_bridge_want(bridge, UERL_BRIDGE_FRAME, &bridge->frame, sizeof bridge->frame);
}

static int unexpected(uerl_bridge *bridge)
{
    return uerl_bridge_end_with(bridge, UERL_E_CORRUPT,
                                "a frame of kind %u with %u bytes came over the bridge, expected "
                                "another in this place: is the other end uerl-shm bridge, of the "
                                "same version, and do both use TLS or neither?",
                                bridge->frame.kind, bridge->frame.bytes);
}

/* What a frame has before its variable part; 0: this frame may not come now. */
static uint64_t fixed_bytes_of(const uerl_bridge *bridge)
{
    switch (bridge->frame.kind) {
    case UERL_BRIDGE_CHALLENGE:
        return bridge->state == UERL_BRIDGE_AWAITS_CHALLENGE ? sizeof bridge->fixed.challenge : 0;
    case UERL_BRIDGE_WELCOME:
        return bridge->state == UERL_BRIDGE_AWAITS_WELCOME ? sizeof bridge->fixed.welcome : 0;
    case UERL_BRIDGE_COMMAND:
        return bridge->state == UERL_BRIDGE_AWAITS && is_idle(bridge) ? sizeof bridge->fixed.command
                                                                      : 0;
    case UERL_BRIDGE_CLOSE:
        return sizeof bridge->fixed.end;
    default:
        return 0;
    }
}

static int take_frame(uerl_bridge *bridge)
{
    const struct uerl_bridge_frame *frame = &bridge->frame;
    if (frame->reserved != 0 || frame->channel != 0)
        return unexpected(bridge);
    if (frame->kind == UERL_BRIDGE_ALIVE && frame->bytes == 0) {
        want_frame(bridge);
        return UERL_OK;
    }
    const uint64_t fixed = fixed_bytes_of(bridge);
    const bool has_one_size = frame->kind == UERL_BRIDGE_CHALLENGE;
    if (fixed == 0 || frame->bytes < fixed || (has_one_size && frame->bytes != fixed))
        return unexpected(bridge);
    uerl_bridge_want(bridge, UERL_BRIDGE_FIXED, &bridge->fixed, fixed);
    return UERL_OK;
}

/* The numbers of a command, before its first row is written anywhere. */
static int take_command_numbers(uerl_bridge *bridge)
{
    const uerl_simulator *simulator = bridge->simulator;
    const struct uerl_bridge_command *command = &bridge->fixed.command;
    struct uerl_bridge_walk walk = {.of_learner = true};
    uint64_t expected = sizeof *command + command->note.bytes, bytes;
    uint8_t *rows;
    bridge->in = walk;
    while (uerl_bridge_next_rows(bridge, &walk, &rows, &bytes))
        expected += bytes;
    if (command->note.bytes > simulator->segment.header.message_bytes ||
        command->sequence <= simulator->command.sequence || bridge->frame.bytes != expected)
        return uerl_bridge_end_with(
            bridge, UERL_E_CORRUPT,
            "a command of %u bytes with sequence %llu and a message of %u bytes came over the "
            "bridge, expected %llu bytes, more than %llu and at most %u: restart both ends",
            bridge->frame.bytes, (unsigned long long)command->sequence, command->note.bytes,
            (unsigned long long)expected, (unsigned long long)simulator->command.sequence,
            simulator->segment.header.message_bytes);
    return UERL_OK;
}

static int want_rows(uerl_bridge *bridge)
{
    uint8_t *rows;
    uint64_t bytes;
    if (uerl_bridge_next_rows(bridge, &bridge->in, &rows, &bytes))
        uerl_bridge_want(bridge, UERL_BRIDGE_ROWS, rows, bytes);
    else
        uerl_bridge_want(bridge, UERL_BRIDGE_REST,
                         uerl_segment_message_to_simulator(&bridge->simulator->segment, 0) + 1,
                         bridge->fixed.command.note.bytes);
    return UERL_OK;
}

static int take_fixed(uerl_bridge *bridge)
{
    const uint64_t rest = bridge->frame.bytes - bridge->wanted;
    switch (bridge->frame.kind) {
    case UERL_BRIDGE_CHALLENGE:
        want_frame(bridge);
        return uerl_bridge_take_challenge(bridge);
    case UERL_BRIDGE_WELCOME:
        return uerl_bridge_take_welcome(bridge);
    case UERL_BRIDGE_COMMAND: {
        const int error = take_command_numbers(bridge);
        return error != UERL_OK ? error : want_rows(bridge);
    }
    default: /* CLOSE */
        if (rest >= sizeof bridge->why)
            return unexpected(bridge);
        memset(bridge->why, 0, sizeof bridge->why);
        uerl_bridge_want(bridge, UERL_BRIDGE_REST, bridge->why, rest);
        return UERL_OK;
    }
}

static int take_rest(uerl_bridge *bridge)
{
    const uint8_t kind = bridge->frame.kind;
    const int code = bridge->fixed.end.code;
    want_frame(bridge);
    if (kind == UERL_BRIDGE_WELCOME)
        return uerl_bridge_take_tables(bridge);
    if (kind == UERL_BRIDGE_COMMAND)
        return uerl_bridge_take_command(bridge);
    if (bridge->why[0] == '\0')
        strcpy(bridge->why, "the learner's end closed the bridge");
    bridge->state = UERL_BRIDGE_ENDED;
    bridge->code = code < 0 && code >= UERL_E_SYSTEM ? code : UERL_E_CLOSED;
    return uerl_fail(bridge->code, "%s", bridge->why);
}

/* What was wanted is there. */
static int take(uerl_bridge *bridge)
{
    switch (bridge->stage) {
    case UERL_BRIDGE_FRAME:
        return take_frame(bridge);
    case UERL_BRIDGE_FIXED:
        return take_fixed(bridge);
    case UERL_BRIDGE_ROWS:
        return want_rows(bridge);
    default:
        return take_rest(bridge);
    }
}

int uerl_bridge_feed(uerl_bridge *bridge, const void *data, uint64_t bytes, int64_t now_ns)
{
    const uint8_t *from = data;
    bridge->heard_ns = now_ns;
    while (bridge->state != UERL_BRIDGE_ENDED) {
        const uint64_t missing = bridge->wanted - bridge->got;
        const uint64_t taken = bytes < missing ? bytes : missing;
        memcpy(bridge->into + bridge->got, from, taken);
        bridge->got += taken;
        from += taken;
        bytes -= taken;
        if (bridge->got < bridge->wanted)
            return UERL_OK;
        const int error = take(bridge);
        if (error != UERL_OK)
            return error;
    }
    return uerl_fail(bridge->code, "%s", bridge->why);
}

/* Output ------------------------------------------------------------------------------------- */

/* What is left is the end of an ALIVE, or HELLO: not rows, a message, or more than `start` holds.
 */
static bool has_room(const uerl_bridge *bridge, uint64_t bytes)
{
    const uintptr_t from = (uintptr_t)bridge->from, start = (uintptr_t)bridge->start;
    return bridge->left == 0 || (from >= start && from < start + sizeof bridge->start &&
                                 bridge->left + bytes <= sizeof bridge->start);
}

int uerl_bridge_say(uerl_bridge *bridge, uint8_t kind, const void *fixed, uint64_t fixed_bytes,
                    uint64_t bytes)
{
    const struct uerl_bridge_frame frame = {.bytes = (uint32_t)bytes, .kind = kind};
    if (!has_room(bridge, sizeof frame + fixed_bytes)) {
        bridge->left = bridge->rest_bytes = 0;
        bridge->has_rows = false;
        return uerl_bridge_end_with(bridge, UERL_E_CORRUPT,
                                    "a frame of kind %u was to follow rows or a message that are "
                                    "still on their way, expected uerl_bridge_drain() first: "
                                    "connect again",
                                    kind);
    }
    if (bridge->left > 0)
        memmove(bridge->start, bridge->from, bridge->left);
    memcpy(bridge->start + bridge->left, &frame, sizeof frame);
    if (fixed_bytes > 0)
        memcpy(bridge->start + bridge->left + sizeof frame, fixed, fixed_bytes);
    bridge->from = bridge->start;
    bridge->left += sizeof frame + fixed_bytes;
    return UERL_OK;
}

/* Is there something to be sent at `from`? */
static bool has_output(uerl_bridge *bridge)
{
    uint8_t *rows;
    if (bridge->left == 0 && bridge->has_rows) {
        bridge->has_rows = uerl_bridge_next_rows(bridge, &bridge->out, &rows, &bridge->left);
        if (bridge->has_rows)
            bridge->from = rows;
    }
    if (bridge->left == 0 && bridge->rest_bytes > 0) {
        bridge->from = bridge->rest;
        bridge->left = bridge->rest_bytes;
        bridge->rest_bytes = 0;
    }
    return bridge->left > 0;
}

uint64_t uerl_bridge_drain(uerl_bridge *bridge, void *data, uint64_t capacity)
{
    uint64_t drained = 0;
    while (drained < capacity && has_output(bridge)) {
        const uint64_t room = capacity - drained;
        const uint64_t bytes = bridge->left < room ? bridge->left : room;
        memcpy((uint8_t *)data + drained, bridge->from, bytes);
        bridge->from += bytes;
        bridge->left -= bytes;
        drained += bytes;
    }
    return drained;
}

int uerl_bridge_tick(uerl_bridge *bridge, int64_t now_ns)
{
    const int64_t ms = 1000000;
    if (bridge->state == UERL_BRIDGE_ENDED)
        return uerl_fail(bridge->code, "%s", bridge->why);
    if (bridge->heard_ns == 0)
        bridge->heard_ns = now_ns;
    if (now_ns - bridge->heard_ns > UERL_BRIDGE_SILENT_MS * ms)
        return uerl_bridge_end_with(bridge, UERL_E_CLOSED,
                                    "the bridge was silent for %d ms, expected a sign of life each "
                                    "%d ms: the connection is cut, connect again",
                                    UERL_BRIDGE_SILENT_MS, UERL_BRIDGE_ALIVE_MS);
    /* Before its proof, whoever says anything but the handshake is a stranger. */
    const bool is_challenged = bridge->state != UERL_BRIDGE_AWAITS_CHALLENGE;
    if (is_challenged && is_idle(bridge) && now_ns - bridge->said_ns >= UERL_BRIDGE_ALIVE_MS * ms) {
        bridge->said_ns = now_ns;
        return uerl_bridge_say(bridge, UERL_BRIDGE_ALIVE, NULL, 0, 0);
    }
    return UERL_OK;
}
