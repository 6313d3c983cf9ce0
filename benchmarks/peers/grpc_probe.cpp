// grpc_probe.cpp: `uerl-sim probe` behind gRPC. Prints its port; each message of a call is answered
// by one, so it serves unary calls and streams alike. The bytes go as they are: no protobuf between
// the row and the wire, which is the best that gRPC can do.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <iostream>
#include <vector>

#include "probe_row.hpp"

namespace
{

class Call : public grpc::ServerGenericBidiReactor
{
  public:
    explicit Call(Probe &probe) : probe_(probe)
    {
        StartRead(&action_);
    }

    void OnReadDone(bool ok) override
    {
        if (!ok) {
            Finish(grpc::Status::OK);
            return;
        }
        grpc::Slice row(probe_.message_bytes());
        probe_.answer(const_cast<unsigned char *>(row.begin()));
        message_ = grpc::ByteBuffer(&row, 1);
        StartWrite(&message_);
    }

    void OnWriteDone(bool ok) override
    {
        if (ok)
            StartRead(&action_);
    }

    void OnDone() override
    {
        delete this;
    }

  private:
    Probe &probe_;
    grpc::ByteBuffer action_, message_;
};

class Service : public grpc::CallbackGenericService
{
  public:
    explicit Service(Probe &probe) : probe_(probe)
    {
    }

    grpc::ServerGenericBidiReactor *CreateReactor(grpc::GenericCallbackServerContext *) override
    {
        return new Call(probe_);
    }

  private:
    Probe &probe_;
};

} // namespace

int main(int argc, char **argv)
{
    Probe probe(argc, argv);
    Service service(probe);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.SetMaxSendMessageSize(-1);
    builder.RegisterCallbackGenericService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    std::cout << port << std::endl;
    server->Wait();
}
