// websocket_probe.cpp: `uerl-sim probe` behind a websocket. MORE is `cbor` for messages as UERL has
// them, a CBOR map of byte strings.
#include "probe_row.hpp"
#include "websocket_door.hpp"

namespace
{

// A text or byte string of CBOR: RFC 8949, section 3.1.
void put(std::vector<unsigned char> &out, unsigned char kind, const void *data, std::size_t bytes)
{
    out.push_back(static_cast<unsigned char>(kind | 26));
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<unsigned char>(bytes >> shift));
    const auto *first = static_cast<const unsigned char *>(data);
    out.insert(out.end(), first, first + bytes);
}

void encode(std::vector<unsigned char> &out, const std::vector<unsigned char> &message,
            const Probe &probe)
{
    constexpr unsigned char text = 3 << 5, byte_string = 2 << 5, map_of_3 = (5 << 5) | 3;
    const unsigned char *state = message.data() + probe.camera_bytes;
    const unsigned char *outcome = state + Probe::state_bytes;
    out.clear();
    out.push_back(map_of_3);
    put(out, text, "camera", 6);
    put(out, byte_string, message.data(), probe.camera_bytes);
    put(out, text, "state", 5);
    put(out, byte_string, state, Probe::state_bytes);
    put(out, text, "outcome", 7);
    put(out, byte_string, outcome, message.size() - probe.camera_bytes - Probe::state_bytes);
}

} // namespace

int main(int argc, char **argv)
{
    Probe probe(argc, argv);
    const bool cbor = probe.more == "cbor";
    std::vector<unsigned char> message(probe.message_bytes()), encoded;
    serve_websocket([&](const unsigned char *, std::size_t) -> const std::vector<unsigned char> & {
        probe.answer(message.data());
        if (!cbor)
            return message;
        encode(encoded, message, probe);
        return encoded;
    });
}
