// websocket_door.hpp: one client of a websocket, as well as one can be served: no compression,
// TCP_NODELAY, blocking calls on one connection. Nothing stands between socket and simulator but
// Boost.Beast.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <iostream>
#include <vector>

// Prints its port, waits for a client, and sends what answer(request, bytes) returns for each
// binary message, until the client closes.
template <typename Answer> void serve_websocket(Answer answer)
{
    namespace beast = boost::beast;
    using tcp = boost::asio::ip::tcp;
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
    beast::flat_buffer request;
    beast::error_code error;
    while (socket.read(request, error), !error) {
        const std::vector<unsigned char> &reply = answer(
            static_cast<const unsigned char *>(request.data().data()), request.data().size());
        request.consume(request.size());
        if (socket.write(boost::asio::buffer(reply), error), error)
            return;
    }
}
