#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_ATTEND_STREAM_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_ATTEND_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "favor/v1/attention.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/support/implementation.h"

namespace favor::testing {

// One AttendStream call, as a client makes it. Every call ends within its deadline.
class AttendStreamClient {
 public:
  explicit AttendStreamClient(const std::shared_ptr<grpc::Channel>& channel,
                              absl::Duration deadline = absl::Seconds(60));

  bool Send(const v1::AttendStreamRequest& request) { return stream_->Write(request); }
  bool Start(const v1::AttentionSpec& spec, const v1::AttentionState* state = nullptr,
             v1::DataType output_type = v1::DATA_TYPE_F32);
  void SendNoMore() { stream_->WritesDone(); }
  std::optional<v1::AttendStreamResponse> Read();
  // Asks for the state and waits for it.
  std::optional<v1::AttentionState> GetState(
      v1::AttentionState::Encoding encoding = v1::AttentionState::ENCODING_UNSPECIFIED);
  // The status, all answers before it dropped.
  grpc::Status Finish();
  grpc::ClientContext& context() { return context_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::AttentionService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttendStreamRequest, v1::AttendStreamResponse>> stream_;
};

// Rows [begin, begin + count) of the tensors of a request; a null pointer leaves a tensor out.
v1::AttendStreamRequest ChunkOf(const DoubleTensor* queries, const DoubleTensor* keys, const DoubleTensor* values,
                                int64_t begin, int64_t count, const WireForm& form);
DoubleTensor RowsOf(const DoubleTensor& tensor, int64_t begin, int64_t count);

// Random lengths from 0 to max_length whose sum is `length`.
std::vector<int64_t> RandomPieces(std::mt19937& random, int64_t length, int64_t max_length);

// AttendStream of the server at the other end, in chunks of random lengths, as an implementation of attention. Takes no
// lengths of sequences.
AttentionImplementation StreamOver(std::shared_ptr<grpc::Channel> channel, const WireForm& form, uint32_t seed,
                                   int64_t max_length);

// Bidirectional attention by Fold, Merge and Read: each piece of the keys is folded by the next server in turn, the
// states are merged by the first and read by the last.
AttentionImplementation ShardsOver(std::vector<std::shared_ptr<grpc::Channel>> channels, const WireForm& form,
                                   uint32_t seed, int64_t max_length);

// Unary calls; an error is that of the server.
absl::StatusOr<v1::AttentionState> Fold(const std::shared_ptr<grpc::Channel>& channel, const v1::FoldRequest& request);
absl::StatusOr<v1::AttentionState> Merge(const std::shared_ptr<grpc::Channel>& channel,
                                         const v1::MergeRequest& request);
absl::StatusOr<v1::ReadResponse> ReadState(const std::shared_ptr<grpc::Channel>& channel,
                                           const v1::ReadRequest& request);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_ATTEND_STREAM_H_
