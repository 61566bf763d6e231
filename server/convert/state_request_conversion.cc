#include "server/convert/state_request_conversion.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/state_conversion.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

absl::Status Expect(absl::string_view field, const char* size_name, int64_t size, absl::string_view other,
                    int64_t wanted) {
  if (size == wanted) return absl::OkStatus();
  return FieldError(absl::StrCat(field, ".shape"),
                    absl::StrCat(field, ".", size_name, " is ", size, ", ", other, ".", size_name, " is ", wanted));
}

absl::Status ExpectRange(absl::string_view field, const char* size_name, int64_t size, int64_t maximum) {
  if (size >= 1 && size <= maximum) return absl::OkStatus();
  return FieldError(absl::StrCat(field, ".shape"),
                    absl::StrCat(field, ".", size_name, " is ", size, ", must be 1 to ", maximum));
}

absl::StatusOr<std::vector<int64_t>> ReadKeyLengths(const v1::FoldRequest& request, const Shape& keys) {
  if (request.key_lengths().empty()) return std::vector<int64_t>();
  if (request.key_lengths_size() != keys.batch_size) {
    return FieldError("key_lengths", absl::StrCat("key_lengths has ", request.key_lengths_size(),
                                                  " entries, keys.batch_size is ", keys.batch_size));
  }
  for (int i = 0; i < request.key_lengths_size(); ++i) {
    const int64_t length = request.key_lengths(i);
    if (length >= 0 && length <= keys.length) continue;
    const std::string field = absl::StrCat("key_lengths[", i, "]");
    return FieldError(field, absl::StrCat(field, " is ", length, ", must be 0 to ", keys.length));
  }
  return std::vector<int64_t>(request.key_lengths().begin(), request.key_lengths().end());
}

template <typename Wire>
absl::StatusOr<std::optional<OwnedTensor>> ReadOptional(bool has, const Wire& wire, AxisOrder order,
                                                        absl::string_view name, LiftedData* data) {
  if (!has) return std::optional<OwnedTensor>();
  absl::StatusOr<OwnedTensor> tensor = ReadTensor(wire, data->Take(wire.data()), order, name);
  if (!tensor.ok()) return tensor.status();
  return std::optional<OwnedTensor>(*std::move(tensor));
}

}  // namespace

absl::Status CheckKeysAndValues(const Shape& keys, const Shape& values, absl::string_view prefix) {
  constexpr int64_t kUnbounded = int64_t{1} << 31;  // the message's size bounds it already
  const std::string keys_name = absl::StrCat(prefix, "keys"), values_name = absl::StrCat(prefix, "values");
  absl::Status status = ExpectRange(keys_name, "batch_size", keys.batch_size, kUnbounded);
  status.Update(ExpectRange(keys_name, "num_heads", keys.num_heads, kUnbounded));
  status.Update(ExpectRange(keys_name, "head_dim", keys.dim, kMaxHeadDim));
  status.Update(Expect(values_name, "batch_size", values.batch_size, keys_name, keys.batch_size));
  status.Update(Expect(values_name, "num_heads", values.num_heads, keys_name, keys.num_heads));
  status.Update(Expect(values_name, "key_length", values.length, keys_name, keys.length));
  status.Update(ExpectRange(values_name, "value_dim", values.dim, kMaxValueDim));
  return status;
}

absl::StatusOr<FoldWork> ToFoldWork(const v1::FoldRequest& request, LiftedData* data) {
  FoldWork work;
  const absl::StatusOr<AxisOrder> order = ReadLayout(request.spec().layout());
  if (!order.ok()) return order.status();
  work.axis_order = *order;
  absl::StatusOr<OwnedTensor> keys = ReadTensor(request.keys(), data->Take(request.keys().data()), *order, "keys");
  if (!keys.ok()) return keys.status();
  absl::StatusOr<OwnedTensor> values =
      ReadTensor(request.values(), data->Take(request.values().data()), *order, "values");
  if (!values.ok()) return values.status();
  if (absl::Status status = CheckKeysAndValues(keys->shape, values->shape, ""); !status.ok()) return status;
  work.keys = *std::move(keys);
  work.values = *std::move(values);
  const SpecSizes sizes{work.keys.shape.dim, work.keys.shape.num_heads};
  if (absl::Status status = ReadSpec(request.spec(), sizes, data, &work); !status.ok()) return status;
  SettleForState(&work.spec);
  absl::StatusOr<std::vector<int64_t>> lengths = ReadKeyLengths(request, work.keys.shape);
  if (!lengths.ok()) return lengths.status();
  work.key_lengths = *std::move(lengths);
  const absl::StatusOr<StateEncoding> encoding = ReadStateEncoding(request.encoding(), "encoding");
  if (!encoding.ok()) return encoding.status();
  work.encoding = *encoding;
  if (!request.has_state()) return work;
  absl::StatusOr<EncodedState> state = ReadState(request.state(), data, "state");
  if (!state.ok()) return state.status();
  work.state = *std::move(state);
  return work;
}

absl::StatusOr<MergeWork> ToMergeWork(const v1::MergeRequest& request, LiftedData* data) {
  if (request.states().empty()) return FieldError("states", "states is empty, must have at least one");
  MergeWork work;
  const absl::StatusOr<StateEncoding> encoding = ReadStateEncoding(request.encoding(), "encoding");
  if (!encoding.ok()) return encoding.status();
  work.encoding = *encoding;
  for (int i = 0; i < request.states_size(); ++i) {
    absl::StatusOr<EncodedState> state = ReadState(request.states(i), data, absl::StrCat("states[", i, "]"));
    if (!state.ok()) return state.status();
    work.states.push_back(*std::move(state));
  }
  return work;
}

absl::StatusOr<ReadWork> ToReadWork(const v1::ReadRequest& request, LiftedData* data) {
  if (!request.has_state()) return FieldError("state", "state is unset, there is nothing to read");
  ReadWork work;
  absl::StatusOr<EncodedState> state = ReadState(request.state(), data, "state");
  if (!state.ok()) return state.status();
  work.state = *std::move(state);
  absl::StatusOr<OwnedTensor> queries =
      ReadTensor(request.queries(), data->Take(request.queries().data()), work.state.axis_order, "queries");
  if (!queries.ok()) return queries.status();
  work.queries = *std::move(queries);
  work.output_type = work.queries.type;
  if (request.output_type() == v1::DATA_TYPE_UNSPECIFIED) return work;
  const absl::StatusOr<DataType> type = ReadDataType(request.output_type(), "output_type");
  if (!type.ok()) return type.status();
  work.output_type = *type;
  return work;
}

absl::StatusOr<StreamStart> ToStreamStart(v1::AttendStreamRequest::Start start, LiftedData data) {
  StreamStart result;
  const absl::StatusOr<AxisOrder> order = ReadLayout(start.spec().layout());
  if (!order.ok()) return InsideField(order.status(), "start");
  if (start.output_type() != v1::DATA_TYPE_UNSPECIFIED) {
    const absl::StatusOr<DataType> type = ReadDataType(start.output_type(), "start.output_type");
    if (!type.ok()) return type.status();
    result.output_type = *type;
  }
  if (start.has_state()) {
    absl::StatusOr<EncodedState> state = ReadState(start.state(), &data, "start.state");
    if (!state.ok()) return state.status();
    result.state = *std::move(state);
  }
  result.report_every_chunk = start.report_every_chunk();
  result.spec = std::move(*start.mutable_spec());
  result.data = std::move(data);
  return result;
}

absl::StatusOr<StreamChunk> ToStreamChunk(const v1::AttendStreamRequest::Chunk& chunk, AxisOrder order,
                                          LiftedData* data) {
  StreamChunk result;
  auto queries = ReadOptional(chunk.has_queries(), chunk.queries(), order, "chunk.queries", data);
  if (!queries.ok()) return queries.status();
  auto keys = ReadOptional(chunk.has_keys(), chunk.keys(), order, "chunk.keys", data);
  if (!keys.ok()) return keys.status();
  auto values = ReadOptional(chunk.has_values(), chunk.values(), order, "chunk.values", data);
  if (!values.ok()) return values.status();
  result = {*std::move(queries), *std::move(keys), *std::move(values)};
  if (result.keys.has_value() != result.values.has_value()) {
    return FieldError(result.keys ? "chunk.values" : "chunk.keys", result.keys
                                                                       ? "chunk.values is unset, chunk.keys is set"
                                                                       : "chunk.keys is unset, chunk.values is set");
  }
  if (result.keys) {
    absl::Status status = CheckKeysAndValues(result.keys->shape, result.values->shape, "chunk.");
    if (!status.ok()) return status;
  }
  return result;
}

}  // namespace favor
