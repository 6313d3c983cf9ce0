// websocket_probe.cpp: `uerl-sim probe` behind a websocket, as well as a websocket can be served.
//
// Usage: websocket_probe ENV. Prints its port, serves one client, ends with it. Every binary
// message (the action, float32[4]) is answered by one: camera uint8[84][84][3], state float32[64],
// reward float32, terminated and truncated uint8. The bytes are those of
// csrc/simulators/pattern.hpp, so that both transports carry the same simulator. No compression,
// TCP_NODELAY, blocking calls on one connection: nothing stands between the socket and the row but
// Boost.Beast.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "simulators/pattern.hpp"

namespace beast = boost::beast;
using tcp = boost::asio::ip::tcp;

namespace
{

constexpr std::size_t camera_bytes = 84 * 84 * 3;
constexpr std::size_t state_bytes = 64 * sizeof(float);
constexpr std::size_t message_bytes = camera_bytes + state_bytes + sizeof(float) + 2;

void write_row(std::vector<unsigned char> &message, std::uint64_t env, std::uint64_t step)
{
    using namespace uerl_sim;
    static const std::uint64_t camera = fnv1a("agent/observation/camera");
    static const std::uint64_t state = fnv1a("agent/observation/state");
    static const std::uint64_t reward = fnv1a("agent/reward");
    fill_pattern(message.data(), camera_bytes, pattern_base(camera, env, 0, step),
                 pattern_masks(UERL_DTYPE_UINT8));
    fill_pattern(message.data() + camera_bytes, state_bytes, pattern_base(state, env, 0, step),
                 pattern_masks(UERL_DTYPE_FLOAT32));
    const float value = static_cast<float>(pattern_base(reward, env, 0, step) >> 40) / 16777216.0f;
    std::memcpy(message.data() + camera_bytes + state_bytes, &value, sizeof value);
}

} // namespace

int main(int argc, char **argv)
{
    const std::uint64_t env = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    boost::asio::io_context context;
    tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
    std::cout << acceptor.local_endpoint().port() << std::endl;
    beast::websocket::stream<tcp::socket> socket(context);
    acceptor.accept(socket.next_layer());
    socket.next_layer().set_option(tcp::no_delay(true));
    socket.accept();
    socket.binary(true);
    socket.auto_fragment(false);
    beast::flat_buffer action;
    std::vector<unsigned char> message(message_bytes);
    beast::error_code error;
    for (std::uint64_t step = 0;; step++) {
        socket.read(action, error);
        if (error)
            return 0; // the client has closed
        action.consume(action.size());
        write_row(message, env, step);
        socket.write(boost::asio::buffer(message), error);
        if (error)
            return 0;
    }
}
