#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "client/client.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_response.h"
#include "client/wire/decode_state.h"
#include "client/wire/encode_state.h"

// Client's calls of AttentionService that make states and read them.
namespace favor::client {
namespace {

constexpr char kFold[] = "/favor.v1.AttentionService/Fold";
constexpr char kMerge[] = "/favor.v1.AttentionService/Merge";
constexpr char kRead[] = "/favor.v1.AttentionService/Read";

// Puts what `decode` makes of an answer into `state`.
template <typename Decode>
auto Into(std::optional<AttentionState>* state, Decode decode) {
  return [state, decode](grpc::ByteBuffer* response, absl::Time) {
    absl::StatusOr<AttentionState> decoded = decode(response);
    if (decoded.ok()) *state = *std::move(decoded);
    return decoded.status();
  };
}

}  // namespace

absl::StatusOr<AttentionState> Client::Fold(const FoldInputs& inputs, const FoldOptions& options) const {
  std::optional<AttentionState> state;
  const absl::Status status = impl_->CallWithTensors(kFold, options.deadline, EncodeFoldRequest(inputs, options),
                                                     Into(&state, DecodeFoldResponse));
  if (!status.ok()) return status;
  return *std::move(state);
}

absl::StatusOr<AttentionState> Client::Merge(absl::Span<const AttentionState> states,
                                             const MergeOptions& options) const {
  std::optional<AttentionState> state;
  const absl::Status status = impl_->CallWithTensors(kMerge, options.deadline, EncodeMergeRequest(states, options),
                                                     Into(&state, DecodeMergeResponse));
  if (!status.ok()) return status;
  return *std::move(state);
}

absl::StatusOr<AttendResult> Client::Read(const TensorView& queries, const AttentionState& state,
                                          const ReadOptions& options) const {
  return impl_->CallForOutput(kRead, options.deadline, EncodeReadRequest(queries, state, options), DecodeReadResponse);
}

}  // namespace favor::client
