#include "client/wire/decode_response.h"

#include <utility>

#include "client/wire/decode_report.h"
#include "client/wire/lifted_response.h"
#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

template <typename Response>
absl::StatusOr<AttendResult> Decode(grpc::ByteBuffer* response, absl::string_view message) {
  absl::StatusOr<LiftedResponse> lifted = Lift(response, {.message = message, .tensor = Response::kOutputFieldNumber});
  if (!lifted.ok()) return lifted.status();
  Response without_output;
  if (!without_output.ParseFromString(lifted->rest)) return MalformedResponse(message);
  absl::StatusOr<Tensor> output = ToTensor(lifted->tensor ? *std::move(lifted->tensor) : WireTensor());
  if (!output.ok()) return output.status();
  AttendResult result;
  result.output = *std::move(output);
  result.report = DecodeReport(without_output.report());
  return result;
}

}  // namespace

absl::StatusOr<AttendResult> DecodeAttendResponse(grpc::ByteBuffer* response) {
  return Decode<v1::AttendResponse>(response, "AttendResponse");
}

absl::StatusOr<AttendResult> DecodeReadResponse(grpc::ByteBuffer* response) {
  return Decode<v1::ReadResponse>(response, "ReadResponse");
}

}  // namespace favor::client
