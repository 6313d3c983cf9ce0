// learning_agents_mock.cpp: the engine's side of Learning Agents' shared-memory protocol (5.6).
//
// Stands in for an engine that trains by PPO with an external trainer. It maps and makes regions
// as Unreal does on Linux, polls its words, and checks every byte of every network it receives.
// All contents come from mix(), which learning_agents_pattern.py repeats.
//
//   learning_agents_mock -LearningAgentsControlsGuid={GUID} -LearningAgentsConfigPath=DIR
//       [--iterations=N] [--poll-us=N] [--gather-us=N] [--timeout-s=N] [--fault=NAME]
//
// The last line says networks=, wrong_bytes=, pings=, ensures= and how training ended.
#include "learning_agents_mock_regions.hpp"

#include <vector>

namespace
{

enum Word {
    kEpisodeNum,
    kStepNum,
    kExperience,
    kConfig,
    kNetwork,
    kComplete,
    kStop,
    kPing,
    kNetworkId,
    kBufferId,
    kNumWords
};
enum class Response { success, completed, timeout };

constexpr int kMaxEpisodes = 16;
constexpr int kMaxSteps = 256;
constexpr int kNumNetworks = 4;
constexpr uint32_t kFileBytes[kNumNetworks] = {40961, 20482, 9999, 4096};
constexpr uint32_t kMagic = 0x1e9b0c80;
constexpr size_t kHeaderBytes = 24;
struct Options {
    std::string guid, configs, fault;
    int iterations = 0; // 0: for ever
    int poll_us = 1000; // what Unreal's side sleeps
    int gather_us = 0;
    double timeout_s = 10.0;
};

Options options;
volatile int32_t *words;
int pings, ensures, networks;
uint64_t wrong_bytes;

template <typename Condition> Response wait_until(Condition condition, bool may_complete)
{
    double waited_s = 0; // nominal, as Unreal counts
    while (!condition()) {
        if (may_complete && words[kComplete]) {
            words[kComplete] = 0;
            return Response::completed;
        }
        if (waited_s > options.timeout_s)
            return Response::timeout;
        if (words[kPing]) {
            words[kPing] = 0;
            pings++;
            waited_s = 0;
        }
        usleep(static_cast<useconds_t>(options.poll_us));
        waited_s += options.poll_us * 1e-6;
    }
    return Response::success;
}

std::vector<char> snapshot_of(int id, uint32_t iteration)
{
    const uint32_t size = kFileBytes[id], seed = 0x80000000u + iteration * kNumNetworks + id;
    const uint32_t number = static_cast<uint32_t>(id);
    const uint32_t header[6] = {kMagic, 1, 10 + number, 20 + number, 0xabcd0000u + number, size};
    std::vector<char> bytes(kHeaderBytes + size);
    std::memcpy(bytes.data(), header, sizeof(header));
    for (uint32_t i = 0; i < size; i++)
        bytes[kHeaderBytes + i] = static_cast<char>(mix(seed, i / 4) >> (8 * (i % 4)));
    return bytes;
}

Response send_network(int id, const Region &region)
{
    const Response response = wait_until([] { return words[kNetwork] != 0; }, false);
    if (response != Response::success)
        return response;
    const std::vector<char> bytes = snapshot_of(id, 0);
    std::memcpy(region.memory, bytes.data(), bytes.size());
    words[kNetworkId] = options.fault == "network-id" ? kNumNetworks - 1 - id : id;
    words[kNetwork] = 0;
    return response;
}

Response receive_network(int id, const Region &region, uint32_t iteration)
{
    const Response response = wait_until([] { return words[kNetwork] != 0; }, true);
    if (response != Response::success)
        return response;
    if (words[kNetworkId] != id) {
        std::cerr << "Received unexpected NetworkId!" << std::endl;
        std::abort(); // as checkf
    }
    const std::vector<char> expected = snapshot_of(id, iteration);
    for (size_t i = 0; i < expected.size(); i++)
        wrong_bytes += region.memory[i] != expected[i];
    networks++;
    words[kNetworkId] = -1;
    words[kNetwork] = 0;
    return response;
}

struct Training {
    Region networks[kNumNetworks], starts, lengths, modes;
    std::vector<Array> arrays;

    Training()
    {
        for (int id = 0; id < kNumNetworks; id++)
            networks[id] = allocate(kHeaderBytes + kFileBytes[id]);
        starts = allocate(kMaxEpisodes * sizeof(int32_t));
        lengths = allocate(kMaxEpisodes * sizeof(int32_t));
        modes = allocate(kMaxEpisodes);
        arrays = {{"Observations", "Default", 37, true, {}},
                  {"Observations", "Rays", 64, true, {}},
                  {"Actions", "Default", 6, true, {}},
                  {"ActionModifiers", "Default", 6, true, {}},
                  {"MemoryStates", "Default", 8, true, {}},
                  {"MemoryStates", "Nothing", 0, true, {}},
                  {"Rewards", "Default", 2, true, {}},
                  {"EpisodeFinalObservations", "Default", 37, false, {}},
                  {"EpisodeFinalObservations", "Rays", 64, false, {}},
                  {"EpisodeFinalMemoryStates", "Default", 8, false, {}},
                  {"EpisodeFinalMemoryStates", "Nothing", 0, false, {}}};
        if (options.fault == "generation-c")
            arrays.erase(arrays.begin() + 3); // it has no action modifiers
        for (Array &array : arrays) {
            const size_t rows = array.by_step ? kMaxSteps : kMaxEpisodes;
            array.region = allocate(rows * static_cast<size_t>(array.dimension) * sizeof(float));
        }
        if (options.fault == "truncated" && ftruncate(arrays[0].region.fd, 4096))
            die("truncation");
    }

    ~Training()
    {
        for (const Region &region : networks)
            ensures += !deallocate(region);
        for (const Region &region : {starts, lengths, modes})
            ensures += !deallocate(region);
        for (const Array &array : arrays)
            ensures += !deallocate(array.region);
    }

    std::string guids(const std::string &kind) const
    {
        std::string list;
        for (const Array &array : arrays)
            if (array.kind == kind)
                list += (list.empty() ? "\"" : ",\"") + array.region.guid + "\"";
        return "\"" + kind + "Guids\":[" + list + "]";
    }

    std::string described(const std::string &kind) const
    {
        std::string list;
        int id = 0;
        for (const Array &array : arrays)
            if (array.kind == kind)
                list += std::string(list.empty() ? "" : ",") + "{\"Id\":" + std::to_string(id++) +
                        ",\"Name\":\"" + array.name + "\",\"SchemaId\":0,\"VectorDimensionNum\":" +
                        std::to_string(array.dimension) + "}";
        return "\"" + kind + "\":[" + list + "]";
    }

    std::string regions_json() const
    {
        std::string list;
        for (int id = 0; id < kNumNetworks; id++)
            list += std::string(id ? "," : "") + "{\"NetworkId\":" + std::to_string(id) +
                    ",\"Guid\":\"" + networks[id].guid + "\"}";
        std::string text = "{\"NetworkGuids\":[" + list + "],\"ReplayBuffers\":[{" +
                           "\"EpisodeStartsGuid\":\"" + starts.guid +
                           "\",\"EpisodeLengthsGuid\":\"" + lengths.guid +
                           "\",\"EpisodeCompletionModesGuid\":\"" + modes.guid + "\"";
        for (const char *kind :
             {"EpisodeFinalObservations", "EpisodeFinalMemoryStates", "Observations", "Actions",
              "ActionModifiers", "MemoryStates", "Rewards"})
            if (options.fault != "generation-c" || std::string(kind) != "ActionModifiers")
                text += "," + guids(kind);
        return text + "}]}";
    }

    std::string data_json() const
    {
        const char *names[kNumNetworks] = {"Policy", "Critic", "Encoder", "Decoder"};
        std::string list;
        for (int id = 0; id < kNumNetworks; id++)
            list += std::string(id ? "," : "") + "{\"Id\":" + std::to_string(id) + ",\"Name\":\"" +
                    names[id] +
                    "\",\"MaxByteNum\":" + std::to_string(kHeaderBytes + kFileBytes[id]) + "}";
        std::string text =
            "{\"Networks\":[" + list +
            "],\"ReplayBuffers\":[{\"Id\":0,\"MaxEpisodeNum\":" + std::to_string(kMaxEpisodes) +
            ",\"MaxStepNum\":" + std::to_string(kMaxSteps) +
            ",\"HasCompletions\":true,\"HasFinalObservations\":true,\"HasFinalMemoryStates\":true";
        for (const char *kind :
             {"Observations", "Actions", "ActionModifiers", "MemoryStates", "Rewards"})
            text += "," + described(kind);
        return text + "}],\"Schemas\":{\"Observations\":[],\"Actions\":[]}}";
    }

    void write_configs() const
    {
        const std::string folder = options.configs + "/";
        std::ofstream(folder + "shared-memory-" + options.guid + ".json") << regions_json();
        if (options.fault != "no-json")
            std::ofstream(folder + "data-config.json") << data_json();
        std::ofstream(folder + "trainer-config.json")
            << "{\"TaskName\":\"Mock\",\"TrainerMethod\":\"PPO\",\"PPOSettings\":"
               "{\"IterationNum\":1000,\"DiscountFactor\":0.99}}";
    }

    Response send_experience(uint32_t iteration)
    {
        const Response response = wait_until([] { return words[kExperience] == 0; }, false);
        if (response != Response::success)
            return response;
        int32_t episodes = 0, steps = 0;
        for (; episodes < kMaxEpisodes; episodes++) {
            const int32_t length = 1 + static_cast<int32_t>(mix(iteration, 1000 + episodes) % 40);
            if (steps + length > kMaxSteps)
                break;
            reinterpret_cast<int32_t *>(starts.memory)[episodes] = steps;
            reinterpret_cast<int32_t *>(lengths.memory)[episodes] = length;
            modes.memory[episodes] = static_cast<char>(1 + mix(iteration, 2000 + episodes) % 2);
            steps += length;
        }
        uint32_t seed = iteration * 64;
        for (const Array &array : arrays) {
            const int32_t num_words = (array.by_step ? steps : episodes) * array.dimension;
            for (int32_t i = 0; i < num_words; i++)
                reinterpret_cast<uint32_t *>(array.region.memory)[i] = mix(seed, i);
            seed++;
        }
        if (options.fault == "episode")
            reinterpret_cast<int32_t *>(lengths.memory)[1] = kMaxSteps;
        words[kEpisodeNum] = options.fault == "episode-num" ? 0 : episodes;
        words[kStepNum] = steps;
        words[kBufferId] = options.fault == "buffer-id" ? 7 : 0;
        words[kExperience] = 1;
        return response;
    }

    const char *run()
    {
        write_configs();
        words[kConfig] = 1;
        for (int id = 0; id < kNumNetworks; id++)
            if (send_network(id, networks[id]) != Response::success)
                return "timeout";
        for (uint32_t i = 1; i <= static_cast<uint32_t>(options.iterations) || !options.iterations;
             i++) {
            usleep(static_cast<useconds_t>(options.gather_us));
            if (send_experience(i) != Response::success)
                return "timeout";
            for (int id = 0; id < kNumNetworks; id++) {
                const Response response = receive_network(id, networks[id], i);
                if (response != Response::success)
                    return response == Response::completed ? "complete" : "timeout";
            }
        }
        words[kStop] = 1;
        return "stop";
    }
};

void take(const std::string &argument)
{
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "-LearningAgentsControlsGuid")
        options.guid = value;
    else if (name == "-LearningAgentsConfigPath")
        options.configs = value;
    else if (name == "--iterations")
        options.iterations = std::stoi(value);
    else if (name == "--poll-us")
        options.poll_us = std::stoi(value);
    else if (name == "--gather-us")
        options.gather_us = std::stoi(value);
    else if (name == "--timeout-s")
        options.timeout_s = std::stod(value);
    else if (name == "--fault")
        options.fault = value;
}

} // namespace

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        take(argv[i]);
    const Region controls = map_region(options.guid, kNumWords * sizeof(int32_t), false);
    words = reinterpret_cast<volatile int32_t *>(controls.memory);
    for (int i = 0; i < kNumWords; i++)
        words[i] = 0;
    words[kNetworkId] = words[kBufferId] = -1;
    const char *ended;
    {
        Training training;
        ended = training.run();
    } // its regions go; the controls stay, as with the engine
    std::cout << "networks=" << networks << " wrong_bytes=" << wrong_bytes << " pings=" << pings
              << " ensures=" << ensures << " ended=" << ended << std::endl;
    return 0;
}
