#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_RPC_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_RPC_H_

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "favor/v1/attention.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"
#include "tests/support/implementation.h"

namespace favor::testing {

// A connection of its own to `address`, for messages of any size. Never shares a socket with another channel.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address);

// What came of a call: the status, what google.rpc.Status says beside it, and the response.
template <typename Response>
struct Answer {
  grpc::Status status;
  Response response;

  bool ok() const { return status.ok(); }
};
using AttendAnswer = Answer<v1::AttendResponse>;

struct CallOptions {
  // Every call of a test ends: a server that does not answer is a failure, not a test that hangs.
  absl::Duration deadline = absl::Seconds(60);
  // Set: the caller keeps the context, to cancel the call or to read its metadata.
  grpc::ClientContext* context = nullptr;
};

AttendAnswer Attend(const std::shared_ptr<grpc::Channel>& channel, const v1::AttendRequest& request,
                    const CallOptions& options = {});

// A unary call of any method ("/favor.v1.AttentionService/Attend") with these very bytes.
Answer<std::string> CallWithBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                  const std::string& request, const CallOptions& options = {});

// The same from a client that sends its headers alone: no message and, unless told, no word that there will be none.
grpc::Status CallWithHeadersAlone(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                  const CallOptions& options = {}, bool ends_requests = false);

// The fields that google.rpc.BadRequest names; empty when the status carries none.
std::vector<std::string> BadFieldsOf(const grpc::Status& status);
// The delay of google.rpc.RetryInfo.
std::optional<absl::Duration> RetryDelayOf(const grpc::Status& status);

// "INVALID_ARGUMENT: keys.shape ...": for failure messages.
std::string Describe(const grpc::Status& status);

struct WireForm;
// The server at the other end as an implementation of attention, so that the laws of tests/support can be held to it.
// Tensors go in the given form, and the report's degenerate rows come back.
AttentionImplementation AttentionOver(std::shared_ptr<grpc::Channel> channel, const WireForm& form);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_RPC_H_
