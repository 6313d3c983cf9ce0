// tcp_probe.cpp: `uerl-sim probe` behind a bare TCP connection. Prints its port, serves one client.
#include <arpa/inet.h>
#include <cstdio>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "probe_row.hpp"

int main(int argc, char **argv)
{
    Probe probe(argc, argv);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int door = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door, reinterpret_cast<sockaddr *>(&address), size) != 0 || listen(door, 1) != 0 ||
        getsockname(door, reinterpret_cast<sockaddr *>(&address), &size) != 0)
        return 1;
    std::printf("%u\n", ntohs(address.sin_port));
    std::fflush(stdout);
    const int client = accept(door, nullptr, nullptr);
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::vector<unsigned char> message(probe.message_bytes());
    unsigned char action[Probe::action_bytes];
    while (recv(client, action, sizeof action, MSG_WAITALL) == sizeof action) {
        probe.answer(message.data());
        for (std::size_t sent = 0; sent < message.size();) {
            const ssize_t part = send(client, message.data() + sent, message.size() - sent, 0);
            if (part <= 0)
                return 0;
            sent += static_cast<std::size_t>(part);
        }
    }
}
