/* A copy of csrc/include/uerl_shm/layout.h, made by `make unreal`: change that one. */
/* layout.h: the bytes that a learner, its simulators and observers share. Structs only, no
 * functions.
 *
 * One segment serves one learner:
 *
 *   offset               what                                   stored by
 *   0                    uerl_header: identity, sizes, offsets   learner, once, before `magic`
 *   256                  .. the learner's words                  learner
 *   512, 640             .. two hint words                       any simulator
 *   groups_offset        uerl_group[num_groups]                  learner, once
 *   fields_offset        uerl_field[num_fields]                  learner, once
 *   text_offset          spec and launch configuration (JSON)    learner, once
 *   slot_epochs_offset   uint32_t[num_slots]                     learner
 *   lanes_offset         num_lanes times lane_bytes:
 *     + 0                uerl_lane_commands                      learner
 *     + 256              uerl_lane_results                       that lane's simulator
 *     + 512              uerl_message to the simulator           learner
 *     + 512 + m          uerl_message to the learner             that lane's simulator
 *   field.offset         array[num_slots][rows][...], page-aligned, one for each field:
 *                        its role says who stores it
 *
 * Rows: a group has `rows_per_env` rows (agents) for each env; a lane holds `envs_per_lane` envs;
 * so lane l stores rows [l * envs_per_lane * rows_per_env, (l + 1) * envs_per_lane * rows_per_env).
 *
 * Integers are little-endian. Offsets are bytes from the start of the segment; there are no
 * pointers, because each process maps the segment at an address of its own. Reserved bytes are
 * fields and are zero. Plain integers, not _Atomic, so that the structs mean the same in C, C++ and
 * cffi; core/atomics.h says how the shared words are accessed. Every shared word has one writer,
 * named beside it; the two hint words have many and decide nothing.
 * The other side may crash or lie: load a value once, check the copy, use the copy. */
#ifndef UERL_SHM_LAYOUT_H
#define UERL_SHM_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define UERL_STATIC_ASSERT static_assert
#else
#define UERL_STATIC_ASSERT _Static_assert
#endif

#define UERL_MAGIC UINT64_C(0x314d48534c524555) /* "UERLSHM1" in memory; non-zero means ready */
#define UERL_LAYOUT_VERSION UINT32_C(1)

enum {
    UERL_HEADER_BYTES = 4096, /* what a simulator reads before it knows segment_bytes */
    UERL_PAGE_BYTES = 4096,   /* alignment of fields; not the machine's page size */
    UERL_NAME_BYTES = 64,     /* a name with its final zero */
    UERL_MAX_DIMS = 8,        /* axes of one row */
    UERL_MAX_GROUPS = 64,
    UERL_MAX_FIELDS = 1024,
    UERL_MAX_SLOTS = 65536,
    UERL_MAX_LANES = 65536,
    UERL_MAX_ROWS = 1 << 24, /* of one group */
    UERL_MAX_TEXT_BYTES = 1 << 26,
    UERL_MAX_MESSAGE_BYTES = 1 << 20,
    UERL_RING_CAPACITY = 4 /* one command, one that supersedes it, one close, one to spare */
};

/* Bytes of the segment file that carry OFD locks. A lock says "alive"; the bytes' contents do not
 * matter. */
enum {
    UERL_LOCK_OWNER = 0,         /* held by the learner while it lives */
    UERL_LOCK_TAKEOVER = 1,      /* held by a learner while it replaces a dead owner's segment */
    UERL_LOCK_RECORDER = 2,      /* shared, of an observer that the learner waits for */
    UERL_LOCK_LANES = 16,        /* + lane: held by the simulator of that lane while it lives */
    UERL_LOCK_RECORDED = 1 << 30 /* + deliveries % 4096: shared, of that observer: it read them */
};

/* What a field holds, and so who stores it. */
enum uerl_role {
    UERL_ROLE_OBSERVATION = 1,       /* simulator */
    UERL_ROLE_FINAL_OBSERVATION = 2, /* simulator; SAME_STEP only, on rows whose episode ended */
    UERL_ROLE_REWARD = 3,            /* simulator; float32 or float64 */
    UERL_ROLE_TERMINATED = 4,        /* simulator; 0 or 1 */
    UERL_ROLE_TRUNCATED = 5,         /* simulator; 0 or 1 */
    UERL_ROLE_MASK = 6,              /* simulator; 1 where the row's agent is present */
    UERL_ROLE_INFO = 7,              /* simulator */
    UERL_ROLE_FINAL_INFO = 8,        /* simulator; as final observation */
    UERL_ROLE_ACTION = 16,           /* learner */
    UERL_ROLE_CONTROL = 17,          /* learner; enum uerl_control */
    UERL_ROLE_SEED = 18,             /* learner; int64, -1: go on with the env's own generator */
    UERL_ROLE_PARAMETER = 19,        /* learner; read at a reset */
    UERL_ROLE_ANNOTATION = 20        /* learner; for people who watch, such as value estimates */
};
#define UERL_ROLE_FIRST_OF_LEARNER UERL_ROLE_ACTION

enum uerl_dtype {
    UERL_DTYPE_BOOL = 1,
    UERL_DTYPE_INT8 = 2,
    UERL_DTYPE_UINT8 = 3,
    UERL_DTYPE_INT16 = 4,
    UERL_DTYPE_UINT16 = 5,
    UERL_DTYPE_INT32 = 6,
    UERL_DTYPE_UINT32 = 7,
    UERL_DTYPE_INT64 = 8,
    UERL_DTYPE_UINT64 = 9,
    UERL_DTYPE_FLOAT16 = 10,
    UERL_DTYPE_FLOAT32 = 11,
    UERL_DTYPE_FLOAT64 = 12,
    UERL_DTYPE_COMPLEX64 = 13,
    UERL_DTYPE_COMPLEX128 = 14
};

/* What a command asks of one row; all rows of an env are asked the same. */
enum uerl_control {
    UERL_CONTROL_SKIP = 0, /* leave the row as it is */
    UERL_CONTROL_STEP = 1, /* apply the action, advance the env */
    UERL_CONTROL_RESET = 2 /* begin an episode; the action is ignored */
};

enum uerl_autoreset_mode {
    UERL_AUTORESET_NEXT_STEP = 0, /* the learner asks for the reset with the next command */
    UERL_AUTORESET_SAME_STEP =
        1, /* the simulator resets within the command that ends the episode */
    UERL_AUTORESET_DISABLED = 2
};

enum uerl_command_kind { UERL_COMMAND_GO = 1, UERL_COMMAND_CLOSE = 2 };

enum uerl_result_status {
    UERL_RESULT_OK = 0,
    UERL_RESULT_FAILED = 1 /* the simulator cannot go on; its message says why */
};

enum uerl_lane_state {
    UERL_LANE_EMPTY = 0,   /* no simulator yet */
    UERL_LANE_BINDING = 1, /* a simulator holds the lock and compares specs */
    UERL_LANE_READY = 2,   /* it answers commands of `generation` */
    UERL_LANE_REFUSED = 3, /* its arrays do not match; its message says which */
    UERL_LANE_DETACHED = 4 /* it left in order */
};

enum uerl_message_kind {
    UERL_MESSAGE_OPTIONS = 1, /* to the simulator: reset options, JSON */
    UERL_MESSAGE_CUSTOM = 2,  /* either way: bytes of the user's own */
    UERL_MESSAGE_ERROR = 3    /* to the learner: text, UTF-8 */
};

struct uerl_header {
    /* Identity and sizes: the learner stores them once, before `magic`. */
    uint64_t magic; /* stored last, with release */
    uint32_t layout_version;
    uint32_t header_bytes;
    uint64_t segment_bytes;
    uint64_t layout_hash; /* of version, counts, groups and fields: core/spec.c */
    uint64_t run_id;      /* random; another learner's segment of the same name has another */
    uint32_t num_lanes;
    uint32_t envs_per_lane;
    uint32_t num_groups;
    uint32_t num_fields;
    uint32_t num_slots;
    uint32_t autoreset_mode; /* enum uerl_autoreset_mode */
    uint32_t message_bytes;  /* capacity of one message */
    uint32_t text_bytes;
    uint64_t groups_offset;
    uint64_t fields_offset;
    uint64_t text_offset;
    uint64_t slot_epochs_offset; /* uint32_t[num_slots], odd while the slot is being filled */
    uint64_t lanes_offset;
    uint64_t lane_bytes;
    uint32_t file_mode; /* permission bits that the learner was asked to give the file */
    uint8_t reserved_identity[132];

    /* The learner's words. */
    uint32_t
        command_epoch; /* futex word: + 1 with every batch of commands; simulators sleep on it */
    uint32_t closed;   /* 1 once the learner is finished */
    uint32_t wake_at;  /* the finished_count at which the learner wants to be woken */
    uint32_t sleeping; /* 1 while the learner is, or is about to be, asleep on finished_count */
    uint32_t cpu;      /* processor on which the learner waits */
    uint32_t slot;     /* slot of the last whole batch; num_slots: none yet */
    uint64_t progress; /* + 1 with every batch sent */
    uint64_t steps;    /* rows delivered */
    uint64_t batches;  /* batches delivered */
    uint64_t wait_ns;  /* time the learner stood still */
    uint64_t copied_batches;
    uint64_t gathered_rows;    /* rows copied because they stood in several runs or slots */
    uint64_t copied_rows;      /* rows copied from slot to slot */
    uint64_t superseded;       /* results dropped because a reset overtook them */
    uint64_t discarded;        /* results of late or lost simulators dropped */
    uint64_t violations;       /* impossible values found in the segment */
    uint64_t dropped_messages; /* messages of simulators that nobody fetched */
    uint32_t held_slots;       /* slots that batches hold, when a batch was sent or delivered */
    uint8_t reserved_learner[140];

    /* Hints. Any simulator adds to them; garbage here costs at most one bounded wait. */
    uint32_t finished_count; /* futex word: + 1 with every result; the learner sleeps on it */
    uint8_t reserved_finished[124];
    uint32_t num_waiting; /* simulators that are, or are about to be, asleep on command_epoch */
    uint8_t reserved_waiting[124];
    uint8_t reserved_header[3328];
};

/* Agents that share a spec. */
struct uerl_group {
    char name[UERL_NAME_BYTES];
    uint32_t rows_per_env;
    uint32_t num_rows; /* num_lanes * envs_per_lane * rows_per_env */
    uint8_t reserved[56];
};

/* One array of the segment: [num_slots][rows of the group][shape...], C order, no gaps. */
struct uerl_field {
    char name[UERL_NAME_BYTES];
    uint32_t group;
    uint32_t role;  /* enum uerl_role */
    uint32_t dtype; /* enum uerl_dtype */
    uint32_t num_dims;
    uint64_t shape[UERL_MAX_DIMS]; /* of one row; unused axes are 0 */
    uint64_t offset;
    uint64_t row_stride;  /* bytes from row to row */
    uint64_t slot_stride; /* bytes from slot to slot: rows * row_stride */
    uint8_t reserved[24];
};

struct uerl_command {
    uint64_t sequence;      /* of this lane, from 1 */
    uint32_t generation;    /* a simulator drops commands of other generations */
    uint32_t action_slot;   /* read action, control, seed and parameters here (step t) */
    uint32_t slot;          /* write observations and outcome here (step t + 1) */
    uint32_t kind;          /* enum uerl_command_kind */
    uint32_t message_count; /* messages to the simulator so far, with one that comes with this */
    uint8_t reserved[4];
};

struct uerl_result {
    uint64_t sequence; /* of the command it answers */
    uint32_t generation;
    uint32_t status; /* enum uerl_result_status */
};

/* The learner's half of a lane. */
struct uerl_lane_commands {
    uint32_t write_index;   /* commands published so far */
    uint32_t read_index;    /* results read so far */
    uint32_t fence;         /* a simulator of this generation must leave; 0: nobody */
    uint32_t message_count; /* messages to the simulator so far */
    uint32_t slot;          /* slot of the lane's last delivered rows; num_slots: none */
    uint32_t late;          /* a simulator of this generation missed the deadline; 0: nobody */
    uint32_t num_late;      /* how often a simulator of this lane missed the deadline */
    uint32_t num_lost;      /* how often one was found dead */
    struct uerl_command commands[UERL_RING_CAPACITY]; /* command i is at i % capacity */
    uint8_t reserved[96];
};

/* The simulator's half of a lane. */
struct uerl_lane_results {
    uint32_t write_index;   /* results published so far */
    uint32_t read_index;    /* commands read so far */
    uint32_t generation;    /* how often the lane was taken; stored last at attach, with release */
    uint32_t state;         /* enum uerl_lane_state */
    uint32_t message_count; /* messages to the learner so far */
    uint32_t cpu;           /* processor on which the simulator waits */
    uint64_t alive;         /* progress of the library's own thread */
    uint64_t progress;      /* commands received plus results published */
    uint64_t steps;         /* results published in this generation */
    uint64_t wait_ns;       /* time the simulator waited for commands, in this generation */
    uint8_t reserved_words[8];
    struct uerl_result results[UERL_RING_CAPACITY]; /* result i is at i % capacity */
    uint8_t reserved[128];
};

/* The head of a message area; `message_bytes` bytes follow. It belongs to its writer until the
 * message_count that announces it, and to its reader until the next result or command. */
struct uerl_message {
    uint32_t kind; /* enum uerl_message_kind */
    uint32_t bytes;
    uint8_t reserved[56];
};

UERL_STATIC_ASSERT(sizeof(struct uerl_header) == UERL_HEADER_BYTES, "layout changed: new version");
UERL_STATIC_ASSERT(offsetof(struct uerl_header, command_epoch) == 256, "layout changed");
UERL_STATIC_ASSERT(offsetof(struct uerl_header, finished_count) == 512,
                   "hints must not share a pair of cache lines with the learner's words");
UERL_STATIC_ASSERT(offsetof(struct uerl_header, num_waiting) == 640, "layout changed");
UERL_STATIC_ASSERT(sizeof(struct uerl_group) == 128, "layout changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_field) == 192, "layout changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_command) == 32, "layout changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_result) == 16, "layout changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_lane_commands) == 256, "layout changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_lane_results) == 256, "layout changed: new version");
UERL_STATIC_ASSERT(sizeof(struct uerl_message) == 64, "layout changed: new version");

#endif
