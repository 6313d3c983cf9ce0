/* bridge.c: the engine's end of a bridge: the handshake, and a simulator over private memory;
 * portable. bridge_frames.c moves the bytes. */
#include <stdlib.h>
#include <string.h>

#include "bridge_private.h"
#include "error.h"
#include "sha256.h"

static void prove(uerl_bridge *bridge, const char *who,
                  const struct uerl_bridge_challenge *challenge, uint8_t *proof)
{
    struct uerl_sha256 hash;
    uerl_hmac_begin(&hash, bridge->token, bridge->token_bytes);
    uerl_sha256_add(&hash, who, strlen(who));
    uerl_sha256_add(&hash, &bridge->hello, sizeof bridge->hello);
    uerl_sha256_add(&hash, challenge, sizeof *challenge);
    uerl_hmac_end(&hash, bridge->token, bridge->token_bytes, proof);
}

int uerl_bridge_open(uerl_bridge **out, const void *token, uint64_t token_bytes,
                     const uint8_t nonce[UERL_BRIDGE_NONCE_BYTES], int32_t lane)
{
    *out = NULL;
    if (token_bytes < UERL_BRIDGE_LEAST_TOKEN_BYTES || token_bytes > UERL_BRIDGE_MAX_TOKEN_BYTES)
        return uerl_fail(UERL_E_INVALID,
                         "the bridge's token has %llu bytes, expected %d to %d: make one with "
                         "`openssl rand -hex 32`, the same for both ends",
                         (unsigned long long)token_bytes, UERL_BRIDGE_LEAST_TOKEN_BYTES,
                         UERL_BRIDGE_MAX_TOKEN_BYTES);
    uerl_bridge *bridge = calloc(1, sizeof *bridge);
    if (bridge == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for a bridge");
    memcpy(bridge->token, token, token_bytes);
    bridge->token_bytes = token_bytes;
    bridge->hello = (struct uerl_bridge_hello){
        .magic = UERL_BRIDGE_MAGIC,
        .version = UERL_BRIDGE_VERSION,
        .layout_version = UERL_LAYOUT_VERSION,
        .lane = lane,
        .num_channels = 1,
    };
    memcpy(bridge->hello.nonce, nonce, sizeof bridge->hello.nonce);
    bridge->state = UERL_BRIDGE_AWAITS_CHALLENGE;
    uerl_bridge_want(bridge, UERL_BRIDGE_FRAME, &bridge->frame, sizeof bridge->frame);
    uerl_bridge_say(bridge, UERL_BRIDGE_HELLO, &bridge->hello, sizeof bridge->hello,
                    sizeof bridge->hello);
    *out = bridge;
    return UERL_OK;
}

void uerl_bridge_close(uerl_bridge *bridge)
{
    if (bridge == NULL)
        return;
    memset(bridge->token, 0, sizeof bridge->token);
    free(bridge->tables);
    free(bridge);
}

uerl_simulator *uerl_bridge_simulator(uerl_bridge *bridge)
{
    return bridge->simulator;
}

int uerl_bridge_take_challenge(uerl_bridge *bridge)
{
    const struct uerl_bridge_challenge challenge = bridge->fixed.challenge;
    if (challenge.magic != UERL_BRIDGE_MAGIC || challenge.version != UERL_BRIDGE_VERSION ||
        challenge.layout_version != UERL_LAYOUT_VERSION)
        return uerl_bridge_end_with(
            bridge, UERL_E_LAYOUT,
            "the learner's end speaks bridge version %u over layout %u, this one %u over %u: "
            "install the same uerl_shm at both ends",
            challenge.version, challenge.layout_version, UERL_BRIDGE_VERSION, UERL_LAYOUT_VERSION);
    uint8_t proof[UERL_BRIDGE_PROOF_BYTES];
    prove(bridge, "engine", &challenge, proof);
    prove(bridge, "learner", &challenge, bridge->learner_proof);
    memset(bridge->token, 0, sizeof bridge->token);
    bridge->state = UERL_BRIDGE_AWAITS_WELCOME;
    return uerl_bridge_say(bridge, UERL_BRIDGE_PROOF, proof, sizeof proof, sizeof proof);
}

/* The numbers of a WELCOME are believed only after its proof, and then within bounds. */
int uerl_bridge_take_welcome(uerl_bridge *bridge)
{
    const struct uerl_bridge_welcome *welcome = &bridge->fixed.welcome;
    uint8_t differs = 0;
    for (int i = 0; i < UERL_BRIDGE_PROOF_BYTES; i++)
        differs |= (uint8_t)(welcome->proof[i] ^ bridge->learner_proof[i]);
    if (differs != 0)
        return uerl_bridge_end_with(bridge, UERL_E_INVALID,
                                    "the other end proved no token, expected this end's: whoever "
                                    "listens there is not the learner; check address and token");
    if (welcome->num_groups > UERL_MAX_GROUPS || welcome->num_fields > UERL_MAX_FIELDS ||
        welcome->text_bytes > UERL_MAX_TEXT_BYTES)
        return uerl_bridge_end_with(bridge, UERL_E_CORRUPT,
                                    "the learner's end announces %u groups, %u fields and %u bytes "
                                    "of text, expected at most %d, %d and %d: restart it",
                                    welcome->num_groups, welcome->num_fields, welcome->text_bytes,
                                    UERL_MAX_GROUPS, UERL_MAX_FIELDS, UERL_MAX_TEXT_BYTES);
    const uint64_t bytes = welcome->num_groups * sizeof(struct uerl_group) +
                           welcome->num_fields * sizeof(struct uerl_field) + welcome->text_bytes;
    if (bridge->frame.bytes != sizeof *welcome + bytes)
        return uerl_bridge_end_with(bridge, UERL_E_CORRUPT,
                                    "WELCOME has %u bytes, its tables need %llu: restart the "
                                    "learner's end",
                                    bridge->frame.bytes,
                                    (unsigned long long)(sizeof *welcome + bytes));
    bridge->tables = calloc(1, bytes + 1); /* zero-terminates the text */
    if (bridge->tables == NULL)
        return uerl_bridge_end_with(bridge, UERL_E_SYSTEM, "no memory for the learner's tables");
    uerl_bridge_want(bridge, UERL_BRIDGE_REST, bridge->tables, bytes);
    return UERL_OK;
}

/* The simulator's way over a bridge ------------------------------------------------------------ */

static int not_serving(const uerl_bridge *bridge)
{
    return uerl_fail(bridge->code == UERL_OK ? UERL_E_CLOSED : bridge->code, "%s", bridge->why);
}

static struct uerl_bridge_note next_note(const uerl_bridge *bridge)
{
    uerl_simulator *simulator = bridge->simulator;
    const struct uerl_message *area = uerl_segment_message_to_learner(&simulator->segment, 0);
    if (simulator->messages_written == simulator->messages_seen)
        return (struct uerl_bridge_note){0};
    simulator->messages_seen = simulator->messages_written;
    return (struct uerl_bridge_note){.kind = area->kind, .bytes = area->bytes};
}

static int say_with_note(uerl_bridge *bridge, uint8_t kind, const void *fixed, uint64_t fixed_bytes,
                         struct uerl_bridge_note note, uint64_t row_bytes)
{
    bridge->rest = uerl_segment_message_to_learner(&bridge->simulator->segment, 0) + 1;
    bridge->rest_bytes = note.bytes;
    return uerl_bridge_say(bridge, kind, fixed, fixed_bytes, fixed_bytes + row_bytes + note.bytes);
}

static int bridge_ready(uerl_simulator *simulator)
{
    uerl_bridge *bridge = simulator->bridge;
    if (bridge->state == UERL_BRIDGE_ENDED)
        return not_serving(bridge);
    if (bridge->state != UERL_BRIDGE_BINDS)
        return uerl_fail(UERL_E_INVALID, "ready() was called after ready() or refuse(), expected "
                                         "one of them once: connect again");
    simulator->generation = 1;
    bridge->state = UERL_BRIDGE_AWAITS;
    const struct uerl_bridge_note note = next_note(bridge);
    return say_with_note(bridge, UERL_BRIDGE_READY, &note, sizeof note, note, 0);
}

static void bridge_refuse(uerl_simulator *simulator)
{
    uerl_bridge *bridge = simulator->bridge;
    if (bridge->state != UERL_BRIDGE_BINDS)
        return; /* the first reason counts */
    bridge->state = UERL_BRIDGE_REFUSED;
    const struct uerl_bridge_note note = next_note(bridge);
    say_with_note(bridge, UERL_BRIDGE_REFUSE, &note, sizeof note, note, 0);
}

static int bridge_receive(uerl_simulator *simulator, struct uerl_received *received,
                          int64_t timeout_ns)
{
    const uerl_bridge *bridge = simulator->bridge;
    (void)timeout_ns; /* the caller knows how to wait */
    if (bridge->state == UERL_BRIDGE_ENDED)
        return not_serving(bridge);
    if (bridge->state != UERL_BRIDGE_COMMANDED)
        return uerl_fail(UERL_E_TIMEOUT, "no command came over the bridge yet: call again");
    simulator->in_command = true;
    *received = (struct uerl_received){
        .sequence = simulator->command.sequence,
        .generation = simulator->generation,
        .has_message = simulator->message_kind != 0,
    };
    return UERL_OK;
}

static int bridge_commit(uerl_simulator *simulator, uint32_t status)
{
    uerl_bridge *bridge = simulator->bridge;
    simulator->in_command = false;
    if (bridge->state == UERL_BRIDGE_ENDED)
        return not_serving(bridge);
    const struct uerl_bridge_result result = {
        .sequence = simulator->command.sequence,
        .status = status,
        .note = next_note(bridge),
    };
    uint64_t row_bytes = 0, bytes;
    uint8_t *rows;
    struct uerl_bridge_walk walk = {.of_learner = false};
    bridge->has_rows = status == UERL_RESULT_OK;
    bridge->out = walk;
    while (bridge->has_rows && uerl_bridge_next_rows(bridge, &walk, &rows, &bytes))
        row_bytes += bytes;
    bridge->state = UERL_BRIDGE_AWAITS;
    return say_with_note(bridge, UERL_BRIDGE_RESULT, &result, sizeof result, result.note,
                         row_bytes);
}

static void bridge_detach(uerl_simulator *simulator)
{
    uerl_bridge *bridge = simulator->bridge;
    bridge->simulator = NULL;
    bridge->left = 0; /* nothing of its memory is on its way any more */
    bridge->has_rows = false;
    bridge->rest_bytes = 0;
    uerl_bridge_cut(bridge, "the simulator has left");
    free(simulator->segment.base);
    free(simulator->segment.groups);
    free(simulator->segment.fields);
    free(simulator->bound);
    free(simulator->text);
    free(simulator);
}

static const struct uerl_way bridge_way = {
    .ready = bridge_ready,
    .refuse = bridge_refuse,
    .receive = bridge_receive,
    .commit = bridge_commit,
    .detach = bridge_detach,
};

/* Copies the tables; lays out memory for one lane and two slots, of which the first is used. */
static int lay_out(uerl_simulator *simulator, const struct uerl_bridge_welcome *welcome,
                   const uint8_t *tables)
{
    struct uerl_segment *segment = &simulator->segment;
    const uint64_t group_bytes = welcome->num_groups * sizeof *segment->groups;
    const uint64_t field_bytes = welcome->num_fields * sizeof *segment->fields;
    segment->header = (struct uerl_header){
        .num_lanes = 1,
        .envs_per_lane = welcome->envs_per_lane,
        .num_groups = welcome->num_groups,
        .num_fields = welcome->num_fields,
        .num_slots = 2,
        .autoreset_mode = welcome->autoreset_mode,
        .message_bytes = welcome->message_bytes,
        .text_bytes = welcome->text_bytes,
    };
    segment->groups = malloc(group_bytes + 1);
    segment->fields = malloc(field_bytes + 1);
    simulator->bound = calloc(welcome->num_fields + 1, sizeof *simulator->bound);
    simulator->text = malloc((size_t)welcome->text_bytes + 1);
    if (segment->groups == NULL || segment->fields == NULL || simulator->bound == NULL ||
        simulator->text == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for the tables of a bridge");
    memcpy(segment->groups, tables, group_bytes);
    memcpy(segment->fields, tables + group_bytes, field_bytes);
    memcpy(simulator->text, tables + group_bytes + field_bytes, welcome->text_bytes + 1);
    const int error = uerl_spec_layout(&segment->header, segment->groups, segment->fields);
    if (error != UERL_OK)
        return error;
    segment->bytes = segment->header.segment_bytes;
    if (segment->bytes > UERL_BRIDGE_MAX_MEMORY_BYTES)
        return uerl_fail(UERL_E_INVALID,
                         "a lane of the learner's spec needs %llu bytes, expected at most %d over "
                         "a bridge: use fewer envs per simulator, or smaller arrays",
                         (unsigned long long)segment->bytes, UERL_BRIDGE_MAX_MEMORY_BYTES);
    segment->base = calloc(1, segment->bytes);
    if (segment->base == NULL)
        return uerl_fail(UERL_E_SYSTEM, "no memory for %llu bytes of rows",
                         (unsigned long long)segment->bytes);
    simulator->results = uerl_segment_results(segment, 0);
    return uerl_simulator_find_fixed_fields(simulator);
}

int uerl_bridge_take_tables(uerl_bridge *bridge)
{
    const struct uerl_bridge_welcome *welcome = &bridge->fixed.welcome;
    uerl_simulator *simulator = calloc(1, sizeof *simulator);
    if (simulator == NULL)
        return uerl_bridge_end_with(bridge, UERL_E_SYSTEM, "no memory for a simulator");
    simulator->way = &bridge_way;
    simulator->bridge = bridge;
    simulator->lane = welcome->lane;
    memcpy(simulator->segment.name, welcome->name, sizeof welcome->name);
    bridge->simulator = simulator;
    const int error = lay_out(simulator, welcome, bridge->tables);
    free(bridge->tables);
    bridge->tables = NULL;
    if (error != UERL_OK) {
        uerl_bridge_end_with(bridge, error, "%.900s", uerl_last_error());
        bridge_detach(simulator);
        return error;
    }
    bridge->state = UERL_BRIDGE_BINDS;
    return UERL_OK;
}

int uerl_bridge_take_command(uerl_bridge *bridge)
{
    uerl_simulator *simulator = bridge->simulator;
    const struct uerl_bridge_command *command = &bridge->fixed.command;
    simulator->command.sequence = command->sequence;
    simulator->message_kind = command->note.kind;
    simulator->message_bytes = command->note.bytes;
    bridge->state = UERL_BRIDGE_COMMANDED;
    return UERL_OK;
}
