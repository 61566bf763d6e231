#include "server/rpc/completion_queues.h"

namespace favor {

CompletionQueues::CompletionQueues(grpc::ServerBuilder* builder, int num_queues) {
  for (int i = 0; i < num_queues; ++i) queues_.push_back(builder->AddCompletionQueue());
}

void CompletionQueues::Start() {
  for (const auto& queue : queues_) {
    threads_.emplace_back([&queue = *queue] {
      void* tag = nullptr;
      bool ok = false;
      while (queue.Next(&tag, &ok)) (*static_cast<CompletionTag*>(tag))(ok);
    });
  }
}

void CompletionQueues::ShutDown() {
  for (const auto& queue : queues_) queue->Shutdown();
  for (std::thread& thread : threads_) thread.join();
  // A queue must be drained before it is destroyed, also when its thread was never started.
  void* tag = nullptr;
  bool ok = false;
  for (const auto& queue : queues_) {
    while (queue->Next(&tag, &ok)) {
    }
  }
  threads_.clear();
  queues_.clear();
}

}  // namespace favor
