#ifndef FAVOR_SERVER_CONVERT_STATE_REQUEST_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_STATE_REQUEST_CONVERSION_H_

#include <optional>

#include "absl/status/statusor.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/state_work.h"

namespace favor {

// Everything about a request but the values in its tensors and payloads. Every Status names the field.
absl::StatusOr<FoldWork> ToFoldWork(const v1::FoldRequest& request, LiftedData* data);
absl::StatusOr<MergeWork> ToMergeWork(const v1::MergeRequest& request, LiftedData* data);
absl::StatusOr<ReadWork> ToReadWork(const v1::ReadRequest& request, LiftedData* data);

// AttendStreamRequest.start.
struct StreamStart {
  v1::AttentionSpec spec;  // read once the sizes of the tensors are known
  LiftedData data;         // the bytes of its matrix
  std::optional<EncodedState> state;
  std::optional<DataType> output_type;
  bool report_every_chunk = false;
};
absl::StatusOr<StreamStart> ToStreamStart(v1::AttendStreamRequest::Start start, LiftedData data);

// AttendStreamRequest.chunk; a tensor that is not set has no memory and a shape of zeros.
struct StreamChunk {
  std::optional<OwnedTensor> queries;
  std::optional<OwnedTensor> keys;
  std::optional<OwnedTensor> values;
};
absl::StatusOr<StreamChunk> ToStreamChunk(const v1::AttendStreamRequest::Chunk& chunk, AxisOrder order,
                                          LiftedData* data);

// Keys and values of one piece, which must fit each other. `name` is put before the tensors' names.
absl::Status CheckKeysAndValues(const Shape& keys, const Shape& values, absl::string_view prefix);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_STATE_REQUEST_CONVERSION_H_
