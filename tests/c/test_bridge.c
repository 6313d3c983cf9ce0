/* test_bridge.c: the engine's end of a bridge, byte by byte; its hashes against those published. */
#define _GNU_SOURCE
#include <string.h>

#include "bridge_private.h"
#include "check.h"
#include "segments.h"
#include "sha256.h"

#define TOKEN "of tests, known to both ends"

static const uint8_t nonce[UERL_BRIDGE_NONCE_BYTES] = {1, 2, 3};

/* Is this digest that text of hexadecimal digits? */
static bool is(const uint8_t *digest, const char *text)
{
    char said[2 * UERL_SHA256_BYTES + 1];
    for (int i = 0; i < UERL_SHA256_BYTES; i++)
        snprintf(said + 2 * i, 3, "%02x", digest[i]);
    return strcmp(said, text) == 0;
}

TEST(sha256_has_the_digests_of_fips_180)
{
    static const struct {
        const char *text, *digest;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct uerl_sha256 hash;
        uint8_t digest[UERL_SHA256_BYTES];
        uerl_sha256_begin(&hash);
        uerl_sha256_add(&hash, known[i].text, strlen(known[i].text));
        uerl_sha256_end(&hash, digest);
        CHECK(is(digest, known[i].digest));
    }
}

TEST(hmac_has_the_digests_of_rfc_4231_for_short_and_long_keys)
{
    struct uerl_sha256 hash;
    uint8_t digest[UERL_SHA256_BYTES], key[131];
    memset(key, 0xaa, sizeof key);
    uerl_hmac_begin(&hash, "Jefe", 4);
    uerl_sha256_add(&hash, "what do ya want for nothing?", 28);
    uerl_hmac_end(&hash, "Jefe", 4, digest);
    CHECK(is(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    uerl_hmac_begin(&hash, key, sizeof key);
    uerl_sha256_add(&hash, "Test Using Larger Than Block-Size Key - Hash Key First", 54);
    uerl_hmac_end(&hash, key, sizeof key, digest);
    CHECK(is(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

/* The learner's end, by hand --------------------------------------------------------------------
 */

struct hand_learner {
    uerl_bridge *bridge;
    uint8_t said[8192]; /* by the engine's end */
    uint64_t said_bytes;
};

/* Gives the engine's end a frame, one byte at a time; returns its last code. */
static int tell(struct hand_learner *learner, uint8_t kind, const void *content, uint32_t bytes)
{
    const struct uerl_bridge_frame frame = {.bytes = bytes, .kind = kind};
    const uint8_t *parts[] = {(const uint8_t *)&frame, content};
    const uint64_t sizes[] = {sizeof frame, bytes};
    int code = UERL_OK;
    for (int part = 0; part < 2; part++)
        for (uint64_t i = 0; i < sizes[part] && code == UERL_OK; i++)
            code = uerl_bridge_feed(learner->bridge, parts[part] + i, 1, 1);
    return code;
}

/* Takes what the engine's end says, seven bytes at a time. */
static void listen_to(struct hand_learner *learner)
{
    uint64_t bytes;
    learner->said_bytes = 0;
    while ((bytes = uerl_bridge_drain(learner->bridge, learner->said + learner->said_bytes, 7)) > 0)
        learner->said_bytes += bytes;
}

static struct uerl_field field(const char *name, uint32_t role, uint32_t dtype, uint64_t length)
{
    struct uerl_field made = {
        .role = role, .dtype = dtype, .num_dims = length > 0, .shape = {length}};
    strcpy(made.name, name);
    return made;
}

/* A WELCOME with one group, its tables and its text. */
struct told {
    struct uerl_bridge_welcome welcome;
    struct uerl_group group;
    struct uerl_field fields[7];
    char text[2];
};

static void begin(struct hand_learner *learner, uint32_t message_bytes)
{
    const struct uerl_bridge_challenge challenge = {.magic = UERL_BRIDGE_MAGIC,
                                                    .version = UERL_BRIDGE_VERSION,
                                                    .layout_version = UERL_LAYOUT_VERSION};
    const uint32_t bytes = offsetof(struct told, text) + 2;
    struct told told = {
        .welcome = {.lane = 5,
                    .envs_per_lane = 3,
                    .num_groups = 1,
                    .num_fields = 7,
                    .message_bytes = message_bytes,
                    .text_bytes = 2,
                    .name = "train"},
        .group = {.name = "agent", .rows_per_env = 1},
        .fields = {field("observation/state", UERL_ROLE_OBSERVATION, UERL_DTYPE_UINT8, 3),
                   field("reward", UERL_ROLE_REWARD, UERL_DTYPE_FLOAT32, 0),
                   field("terminated", UERL_ROLE_TERMINATED, UERL_DTYPE_BOOL, 0),
                   field("truncated", UERL_ROLE_TRUNCATED, UERL_DTYPE_BOOL, 0),
                   field("control", UERL_ROLE_CONTROL, UERL_DTYPE_UINT8, 0),
                   field("seed", UERL_ROLE_SEED, UERL_DTYPE_INT64, 0),
                   field("action/move", UERL_ROLE_ACTION, UERL_DTYPE_INT32, 0)},
        .text = "{}",
    };
    CHECK_EQUAL(uerl_bridge_open(&learner->bridge, TOKEN, strlen(TOKEN), nonce, -1), UERL_OK);
    listen_to(learner);
    CHECK_EQUAL(learner->said_bytes, 8 + sizeof(struct uerl_bridge_hello));
    CHECK_EQUAL(tell(learner, UERL_BRIDGE_CHALLENGE, &challenge, sizeof challenge), UERL_OK);
    listen_to(learner);
    CHECK_EQUAL(learner->said_bytes, 8 + UERL_BRIDGE_PROOF_BYTES);
    memcpy(told.welcome.proof, learner->bridge->learner_proof, sizeof told.welcome.proof);
    CHECK_EQUAL(tell(learner, UERL_BRIDGE_WELCOME, &told, bytes), UERL_OK);
}

static uerl_simulator *begin_ready(struct hand_learner *learner)
{
    begin(learner, 64);
    const uint64_t shape = 3;
    uerl_simulator *simulator = uerl_bridge_simulator(learner->bridge);
    CHECK_EQUAL(uerl_simulator_lane(simulator), 5);
    CHECK_EQUAL(uerl_simulator_first_env(simulator), 15);
    CHECK_EQUAL(uerl_simulator_bind(simulator, NULL, "observation/state", UERL_ROLE_OBSERVATION,
                                    UERL_DTYPE_UINT8, 1, &shape),
                0);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_OK);
    listen_to(learner);
    CHECK_EQUAL(learner->said[4], UERL_BRIDGE_READY);
    return simulator;
}

static void end(struct hand_learner *learner)
{
    uerl_simulator_detach(uerl_bridge_simulator(learner->bridge));
    uerl_bridge_close(learner->bridge);
}

/* A command to step the first env, leave the second alone, and reset the third. */
static const struct __attribute__((packed)) command {
    struct uerl_bridge_command head;
    uint8_t control[3];
    int64_t seed[3];
    int32_t move[3];
    char message[5];
} command = {.head = {.sequence = 1, .note = {.kind = UERL_MESSAGE_CUSTOM, .bytes = 5}},
             .control = {UERL_CONTROL_STEP, UERL_CONTROL_SKIP, UERL_CONTROL_RESET},
             .seed = {-1, -1, 7},
             .move = {10, 20, 30},
             .message = {'h', 'e', 'l', 'l', 'o'}};

TEST(a_result_has_the_rows_of_the_envs_that_were_asked)
{
    struct hand_learner learner;
    struct uerl_received received;
    uint32_t kind, bytes;
    uerl_simulator *simulator = begin_ready(&learner);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_TIMEOUT);
    CHECK_EQUAL(tell(&learner, UERL_BRIDGE_COMMAND, &command, sizeof command), UERL_OK);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_OK);
    CHECK(memcmp(uerl_simulator_message(simulator, &kind, &bytes), "hello", 5) == 0 && bytes == 5);
    CHECK_EQUAL(uerl_simulator_control(simulator, 1), UERL_CONTROL_SKIP);
    CHECK_EQUAL(uerl_simulator_seed(simulator, 2), 7);
    CHECK_EQUAL(*(int32_t *)uerl_simulator_row(simulator, 6, 2), 30);
    for (uint32_t row = 0; row < 3; row++) {
        memset(uerl_simulator_row(simulator, 0, row), 'a' + (int)row, 3);
        uerl_simulator_outcome(simulator, 0, row, 0.5, row == 0, row == 2);
    }
    CHECK_EQUAL(uerl_simulator_write_message(simulator, UERL_MESSAGE_CUSTOM, "back", 4), UERL_OK);
    CHECK_EQUAL(uerl_simulator_send(simulator), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(learner.said_bytes, 8 + 24 + 2 * 3 + 2 * 4 + 2 + 2 + 4);
    CHECK(memcmp(learner.said + 32, "aaaccc", 6) == 0);
    CHECK(memcmp(learner.said + 32 + 14, "\1\0\0\1back", 8) == 0);
    end(&learner);
}

TEST(a_command_before_the_last_result_or_of_another_size_ends_the_connection)
{
    struct hand_learner learner;
    struct uerl_received received;
    uerl_simulator *simulator = begin_ready(&learner);
    CHECK_EQUAL(tell(&learner, UERL_BRIDGE_COMMAND, &command, sizeof command - 1), UERL_E_CORRUPT);
    CHECK_SAYS(uerl_last_error(), "came over the bridge, expected 60 bytes");
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_CORRUPT);
    end(&learner);
    begin_ready(&learner);
    CHECK_EQUAL(tell(&learner, UERL_BRIDGE_COMMAND, &command, sizeof command), UERL_OK);
    struct command next = command;
    next.head.sequence = 2;
    CHECK_EQUAL(tell(&learner, UERL_BRIDGE_COMMAND, &next, sizeof next), UERL_E_CORRUPT);
    CHECK_SAYS(uerl_last_error(), "a frame of kind 7");
    end(&learner);
}

TEST(a_silent_connection_is_cut_and_each_end_says_that_it_lives)
{
    struct hand_learner learner;
    struct uerl_received received;
    const int64_t ms = 1000000;
    uerl_simulator *simulator = begin_ready(&learner);
    CHECK_EQUAL(uerl_bridge_tick(learner.bridge, 1000 * ms), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(learner.said[4], UERL_BRIDGE_ALIVE);
    CHECK_EQUAL(uerl_bridge_tick(learner.bridge, 1300 * ms), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(learner.said_bytes, 0);
    CHECK_EQUAL(uerl_bridge_tick(learner.bridge, 1502 * ms), UERL_E_CLOSED);
    CHECK_EQUAL(uerl_simulator_receive(simulator, &received, 0), UERL_E_CLOSED);
    CHECK_SAYS(uerl_last_error(), "silent for 1500 ms");
    end(&learner);
}

/* The message of a first refuse() or ready() is on its way, its head gone, when another follows. */
static void drain_half(struct hand_learner *learner)
{
    CHECK_EQUAL(uerl_bridge_drain(learner->bridge, learner->said, 20), 20);
    CHECK_EQUAL(learner->said[4], UERL_BRIDGE_REFUSE);
}

TEST(whoever_has_refused_says_so_once_and_is_never_ready)
{
    struct hand_learner learner;
    begin(&learner, 4096);
    uerl_simulator *simulator = uerl_bridge_simulator(learner.bridge);
    char text[4096] = {0};
    memset(text, 'x', sizeof text - 1);
    CHECK_EQUAL(uerl_simulator_refuse(simulator, text), UERL_OK);
    drain_half(&learner);
    CHECK_EQUAL(uerl_simulator_refuse(simulator, text), UERL_OK);
    CHECK_EQUAL(uerl_simulator_bind(simulator, NULL, "observation/state", UERL_ROLE_OBSERVATION,
                                    UERL_DTYPE_UINT8, 1, (const uint64_t[]){3}),
                0);
    CHECK_EQUAL(uerl_simulator_ready(simulator), UERL_E_INVALID);
    CHECK_SAYS(uerl_last_error(), "after ready() or refuse()");
    listen_to(&learner);
    CHECK_EQUAL(learner.said_bytes, 8 + 8 + 4095 - 20);
    CHECK_EQUAL(tell(&learner, UERL_BRIDGE_COMMAND, &command, sizeof command), UERL_E_CORRUPT);
    end(&learner);
}

TEST(a_frame_on_top_of_a_message_ends_the_connection_and_writes_nowhere)
{
    struct hand_learner learner;
    begin(&learner, 4096);
    uerl_simulator *simulator = uerl_bridge_simulator(learner.bridge);
    char text[4096] = {0};
    memset(text, 'x', sizeof text - 1);
    CHECK_EQUAL(uerl_simulator_refuse(simulator, text), UERL_OK);
    drain_half(&learner);
    CHECK_EQUAL(uerl_bridge_say(learner.bridge, UERL_BRIDGE_ALIVE, NULL, 0, 0), UERL_E_CORRUPT);
    CHECK_SAYS(uerl_last_error(), "still on their way, expected uerl_bridge_drain() first");
    listen_to(&learner);
    CHECK_EQUAL(learner.said_bytes, 0);
    end(&learner);
}

TEST(an_engine_says_nothing_but_the_handshake_before_its_proof)
{
    struct hand_learner learner = {0};
    const struct uerl_bridge_challenge challenge = {.magic = UERL_BRIDGE_MAGIC,
                                                    .version = UERL_BRIDGE_VERSION,
                                                    .layout_version = UERL_LAYOUT_VERSION};
    const int64_t s = 1000000000;
    CHECK_EQUAL(uerl_bridge_open(&learner.bridge, TOKEN, strlen(TOKEN), nonce, -1), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(uerl_bridge_tick(learner.bridge, s), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(learner.said_bytes, 0);
    CHECK_EQUAL(tell(&learner, UERL_BRIDGE_CHALLENGE, &challenge, sizeof challenge), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(learner.said[4], UERL_BRIDGE_PROOF);
    CHECK_EQUAL(uerl_bridge_tick(learner.bridge, s), UERL_OK);
    listen_to(&learner);
    CHECK_EQUAL(learner.said[4], UERL_BRIDGE_ALIVE);
    uerl_bridge_close(learner.bridge);
}

int main(void)
{
    RUN(sha256_has_the_digests_of_fips_180);
    RUN(hmac_has_the_digests_of_rfc_4231_for_short_and_long_keys);
    RUN(a_result_has_the_rows_of_the_envs_that_were_asked);
    RUN(a_command_before_the_last_result_or_of_another_size_ends_the_connection);
    RUN(a_silent_connection_is_cut_and_each_end_says_that_it_lives);
    RUN(an_engine_says_nothing_but_the_handshake_before_its_proof);
    RUN(whoever_has_refused_says_so_once_and_is_never_ready);
    RUN(a_frame_on_top_of_a_message_ends_the_connection_and_writes_nowhere);
    return check_result();
}
