#ifndef FAVOR_SERVER_RPC_COMPLETION_QUEUES_H_
#define FAVOR_SERVER_RPC_COMPLETION_QUEUES_H_

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "grpcpp/server_builder.h"

namespace favor {

// What a completion queue hands back: a function to run on the queue's thread. Must stay alive until it has run.
using CompletionTag = std::function<void(bool ok)>;

// Completion queues of a server, one thread each, so that all events of one call come one after the other. The threads
// only move calls along; they never compute.
class CompletionQueues {
 public:
  // Adds the queues to the server being built.
  CompletionQueues(grpc::ServerBuilder* builder, int num_queues);
  // The server must have shut down, and no call may be alive, before.
  ~CompletionQueues() { ShutDown(); }

  // Starts the threads. To be called once, after the server is built.
  void Start();
  // Shuts the queues down, drains them and joins the threads.
  void ShutDown();

  const std::vector<std::unique_ptr<grpc::ServerCompletionQueue>>& queues() const { return queues_; }

 private:
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::vector<std::thread> threads_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_COMPLETION_QUEUES_H_
