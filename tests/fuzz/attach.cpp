// attach.cpp: a simulator attaches to a mapping in which any bytes may stand, and goes on to use
// it.
//
// The first byte says what the mapping is: the input's own bytes, or a segment laid out for a spec
// that the input describes, with words changed before and after the layout was computed.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../c/segments.h"
#include "rows.hpp"

namespace
{

constexpr uint64_t kArenaBytes = 1 << 20;

// A living learner's file: its name, its owner's lock and its run id are needed, its bytes are not.
struct uerl_segment owner;
int owner_fd;
uint8_t *arena;

void prepare()
{
    struct small_spec spec = small_spec(2, 1, 1, 2);
    char name[UERL_NAME_BYTES];
    MUST(make_segment(&owner, new_name(name), &spec) == UERL_OK);
    char path[128];
    path_of(path, name);
    owner_fd = open(path, O_RDWR | O_CLOEXEC);
    arena = static_cast<uint8_t *>(
        mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(owner_fd >= 0 && arena != MAP_FAILED);
    std::atexit([] { uerl_segment_unlink(&owner); });
}

// A spec that the input describes; most are possible ones.
struct small_spec any_spec(Input &input)
{
    const uint8_t lanes = input.next(), slots = input.next();
    struct small_spec spec =
        small_spec(lanes % 4 + 1, lanes / 4 % 3 + 1, lanes / 16 % 3 + 1, slots % 6 + 2);
    spec.header.autoreset_mode = slots / 8 % 3;
    spec.header.message_bytes = slots / 32 * 64;
    if (input.next() & 1) {
        add_group(&spec, "other", input.below(4));
        add_usual_fields(&spec);
    }
    for (uint32_t extra = input.below(4); extra > 0; extra--) {
        uerl_field *field = add_field(&spec, "more", input.below(24), input.below(16), 0);
        field->num_dims = input.below(10);
        for (uint64_t &axis : field->shape)
            axis = input.below(5);
    }
    return spec;
}

// Changes words of a table, each by a value of the input.
template <typename T> void change(Input &input, T *table)
{
    auto *words = reinterpret_cast<uint32_t *>(table);
    for (uint32_t count = input.below(4); count > 0; count--) {
        uint32_t &word = words[(input.next() * 256u + input.next()) % (sizeof *table / 4)];
        word = input.next() & 1 ? input.next_u32() : input.next();
    }
}

// Lays the segment out in the arena; returns its bytes.
uint64_t write_segment(Input &input)
{
    struct small_spec spec = any_spec(input);
    change(input, &spec);
    // What lay_out() may look at, whatever it was changed to.
    const uint32_t groups = spec.header.num_groups, fields = spec.header.num_fields;
    const bool fits = groups <= 4 && fields <= 40;
    if (fits)
        lay_out(&spec);
    spec.header.magic = UERL_MAGIC;
    change(input, &spec);
    const uint64_t bytes = spec.header.segment_bytes;
    const uint64_t size = bytes >= UERL_HEADER_BYTES && bytes <= kArenaBytes ? bytes : kArenaBytes;
    std::memset(arena, 0, size);
    std::memcpy(arena, &spec.header, sizeof spec.header);
    const auto put = [&](uint64_t offset, const void *table, uint64_t count) {
        if (offset <= size && count <= size - offset)
            std::memcpy(arena + offset, table, count);
    };
    put(spec.header.groups_offset, spec.groups, sizeof spec.groups[0] * (fits ? groups : 0));
    put(spec.header.fields_offset, spec.fields, sizeof spec.fields[0] * (fits ? fields : 0));
    put(spec.header.text_offset, small_text, sizeof small_text - 1);
    return size;
}

// The input's own bytes, behind a header's worth of zeros where they are too few.
uint64_t write_raw(Input &input)
{
    const uint64_t count = static_cast<uint64_t>(input.back - input.front) / 2;
    const uint64_t size = count < UERL_HEADER_BYTES ? UERL_HEADER_BYTES : count;
    std::memset(arena, 0, size);
    std::memcpy(arena, input.front, count);
    input.front += count;
    return size;
}

void publish_command(Input &input)
{
    auto *commands = reinterpret_cast<uerl_lane_commands *>(arena + stage.lanes_offset);
    const uint32_t index = commands->write_index;
    uerl_command &command = commands->commands[index % UERL_RING_CAPACITY];
    command.sequence++;
    command.generation = input.next() % 8 == 0 ? input.next() : 1;
    command.kind = input.next() % 8 == 0 ? input.next() : UERL_COMMAND_GO;
    command.slot = input.next() % 8;
    command.action_slot = input.next() % 8;
    command.message_count = input.next() % 2;
    commands->write_index = index + 1;
}

void use(uerl_simulator *simulator, Input &input)
{
    uerl_received received;
    switch (input.next() % 10) {
    case 0:
        publish_command(input);
        break;
    case 1:
    case 2:
        publish_command(input);
        [[fallthrough]];
    case 3:
        uerl_simulator_receive(simulator, &received, input.next() % 2);
        break;
    case 4:
        touch_rows(simulator);
        break;
    case 5:
        uerl_simulator_outcome(simulator, input.next(), input.next(), 1.0, 1, 0);
        uerl_simulator_present(simulator, input.next(), input.next(), 0);
        break;
    case 6:
        uerl_simulator_write_message(simulator, input.next(), arena, input.next());
        break;
    case 7:
        uerl_simulator_send(simulator);
        break;
    case 8:
        uerl_simulator_fail(simulator, "out of fuel");
        break;
    default:
        uerl_simulator_refuse(simulator, "no map");
    }
}

// Where the hand finds lanes: what this side computed, or somewhere.
void show_lanes(const uerl_header &header)
{
    stage.lanes_offset = header.lanes_offset < stage.bytes ? header.lanes_offset : 0;
    stage.lane_bytes = header.lane_bytes < stage.bytes ? header.lane_bytes : 512;
    stage.num_lanes = header.num_lanes == 0 ? 1 : header.num_lanes;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (arena == nullptr)
        prepare();
    begin(data, size);
    Input &input = stage.input;
    const uint8_t mode = input.next();
    stage.armed = false;
    stage.base = arena;
    stage.bytes = mode % 8 == 0 ? write_raw(input) : write_segment(input);
    uerl_header header;
    std::memcpy(&header, arena, sizeof header);
    show_lanes(header);
    if (mode & 8)
        header.run_id++;
    MUST(pwrite(owner_fd, &header.run_id, sizeof header.run_id, offsetof(uerl_header, run_id)) ==
         sizeof header.run_id);
    ASAN_POISON_MEMORY_REGION(arena + stage.bytes, kArenaBytes - stage.bytes);
    stage.armed = (mode & 16) != 0;
    uerl_simulator *simulator = nullptr;
    const int32_t lane = static_cast<int32_t>(input.next() % 5) - 1;
    if (uerl_simulator_attach_mapping(&simulator, arena, stage.bytes, owner.name, lane) ==
        UERL_OK) {
        MUST(std::strlen(uerl_simulator_text(simulator)) <= stage.bytes);
        use(simulator, input);
        bind_all(simulator);
        stage.armed = true;
        for (int i = 0; i < 200 && input.has(1); i++)
            use(simulator, input);
    }
    uerl_simulator_detach(simulator);
    stage.armed = false;
    ASAN_UNPOISON_MEMORY_REGION(arena, kArenaBytes);
    return 0;
}
