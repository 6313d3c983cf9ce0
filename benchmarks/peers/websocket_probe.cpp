// websocket_probe.cpp: `uerl-sim probe` behind a websocket, as well as a websocket can be served.
//
// Prints its port, serves one client, ends with it. MORE is `cbor` for messages as UERL has them, a
// CBOR map of byte strings. No compression, TCP_NODELAY, blocking calls on one connection: nothing
// stands between the socket and the row but Boost.Beast.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <iostream>
#include <vector>

#include "probe_row.hpp"

namespace beast = boost::beast;
using tcp = boost::asio::ip::tcp;

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
    boost::asio::io_context context;
    tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
    std::cout << acceptor.local_endpoint().port() << std::endl;
    beast::websocket::stream<tcp::socket> socket(context);
    acceptor.accept(socket.next_layer());
    socket.next_layer().set_option(tcp::no_delay(true));
    socket.accept();
    socket.binary(true);
    socket.auto_fragment(false);
    socket.write_buffer_bytes(1 << 20);
    const bool cbor = probe.more == "cbor";
    beast::flat_buffer action;
    std::vector<unsigned char> message(probe.message_bytes()), encoded;
    beast::error_code error;
    while (true) {
        socket.read(action, error);
        if (error)
            return 0; // the client has closed
        action.consume(action.size());
        probe.answer(message.data());
        if (cbor)
            encode(encoded, message, probe);
        socket.write(boost::asio::buffer(cbor ? encoded : message), error);
        if (error)
            return 0;
    }
}
