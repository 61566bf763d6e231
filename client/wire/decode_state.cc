#include "client/wire/decode_state.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/wire/decode_report.h"
#include "client/wire/lifted_response.h"
#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

absl::StatusOr<AttentionState> ToState(std::string bytes) {
  absl::StatusOr<AttentionState> state = AttentionState::Parse(std::move(bytes));
  if (state.ok()) return state;
  return absl::InternalError(absl::StrCat("the server's state ", state.status().message()));
}

absl::StatusOr<AttentionState> DecodeState(grpc::ByteBuffer* response, absl::string_view message, int field_number) {
  absl::StatusOr<LiftedResponse> lifted = Lift(response, {.message = message, .bytes = field_number});
  if (!lifted.ok()) return lifted.status();
  return ToState(lifted->bytes ? *std::move(lifted->bytes) : std::string());
}

}  // namespace

absl::StatusOr<AttentionState> DecodeFoldResponse(grpc::ByteBuffer* response) {
  return DecodeState(response, "FoldResponse", v1::FoldResponse::kStateFieldNumber);
}

absl::StatusOr<AttentionState> DecodeMergeResponse(grpc::ByteBuffer* response) {
  return DecodeState(response, "MergeResponse", v1::MergeResponse::kStateFieldNumber);
}

absl::StatusOr<StreamAnswer> DecodeAttendStreamResponse(grpc::ByteBuffer* response) {
  using Wire = v1::AttendStreamResponse;
  constexpr char kMessage[] = "AttendStreamResponse";
  absl::StatusOr<LiftedResponse> lifted =
      Lift(response, {.message = kMessage, .tensor = Wire::kOutputFieldNumber, .bytes = Wire::kStateFieldNumber});
  if (!lifted.ok()) return lifted.status();
  StreamAnswer answer;
  if (lifted->tensor) {
    absl::StatusOr<Tensor> output = ToTensor(*std::move(lifted->tensor));
    if (!output.ok()) return output.status();
    answer.output = *std::move(output);
  }
  if (lifted->bytes) {
    absl::StatusOr<AttentionState> state = ToState(*std::move(lifted->bytes));
    if (!state.ok()) return state.status();
    answer.state = *std::move(state);
  }
  Wire rest;
  if (!rest.ParseFromString(lifted->rest)) return MalformedResponse(kMessage);
  if (rest.has_report()) answer.report = DecodeReport(rest.report());
  return answer;
}

}  // namespace favor::client
