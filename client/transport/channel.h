#ifndef FAVOR_CLIENT_TRANSPORT_CHANNEL_H_
#define FAVOR_CLIENT_TRANSPORT_CHANNEL_H_

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "client/client.h"
#include <grpcpp/channel.h>

namespace favor::client {

// Makes channels to the endpoint of `options`, all alike. Files are read now. Errors as Client::Connect.
absl::StatusOr<std::function<std::shared_ptr<grpc::Channel>()>> MakeChannelFactory(const ClientOptions& options);

// Whether an endpoint names this very machine: such a connection never goes through a proxy.
bool IsLocal(absl::string_view endpoint);

// The channel all calls share. Thread-safe.
class SharedChannel {
 public:
  explicit SharedChannel(std::function<std::shared_ptr<grpc::Channel>()> make)
      : make_(std::move(make)), channel_(make_()) {}

  std::shared_ptr<grpc::Channel> Get() const {
    absl::MutexLock lock(&mutex_);
    return channel_;
  }

  // New calls get a new channel, unless another thread has replaced `old` already. Calls under way keep theirs; its
  // connection is closed with the last of them.
  void Replace(const std::shared_ptr<grpc::Channel>& old) {
    absl::MutexLock lock(&mutex_);
    if (channel_ == old) channel_ = make_();
  }

 private:
  const std::function<std::shared_ptr<grpc::Channel>()> make_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_CHANNEL_H_
