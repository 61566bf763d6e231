#include "server/convert/attend_request_conversion.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/attention/attention.h"
#include "favor/attention/error_measurement.h"
#include "server/convert/auto_spec_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

absl::Status CheckServed(const v1::AttendRequest& request) {
  if (request.query_offsets_size() > 0) return UnservedFieldError("query_offsets", "set");
  if (request.key_offsets_size() > 0) return UnservedFieldError("key_offsets", "set");
  return absl::OkStatus();
}

absl::Status CheckMeasurement(const AttendWork& work) {
  if (work.measure_error_rows == 0) return absl::OkStatus();
  if (work.automatic.has_value()) {
    return AboutField(CheckMeasuredRows(work.measure_error_rows), "measure_error_rows");
  }
  return AboutField(CheckMeasurable(work.spec, work.measure_error_rows), "measure_error_rows");
}

absl::Status ReadTensors(AttendMessage& message, AttendWork* work) {
  const struct {
    const v1::Tensor& wire;
    absl::string_view name;
    OwnedTensor* tensor;
  } tensors[] = {{message.request.queries(), "queries", &work->queries},
                 {message.request.keys(), "keys", &work->keys},
                 {message.request.values(), "values", &work->values}};
  for (const auto& [wire, name, tensor] : tensors) {
    auto read = ReadTensor(wire, message.TakeData(wire), work->axis_order, name);
    if (!read.ok()) return read.status();
    *tensor = *std::move(read);
  }
  return absl::OkStatus();
}

// "keys.head_dim is 48, queries.head_dim is 64"
absl::Status CheckEqual(absl::string_view tensor, absl::string_view size_name, int64_t size,
                        absl::string_view other_name, int64_t other) {
  if (size == other) return absl::OkStatus();
  return FieldError(absl::StrCat(tensor, ".shape"),
                    absl::StrCat(tensor, ".", size_name, " is ", size, ", ", other_name, " is ", other));
}

absl::Status CheckRange(absl::string_view tensor, absl::string_view size_name, int64_t size, int64_t maximum) {
  if (size >= 1 && size <= maximum) return absl::OkStatus();
  return FieldError(absl::StrCat(tensor, ".shape"),
                    absl::StrCat(tensor, ".", size_name, " is ", size,
                                 size < 1 ? ", at least 1" : absl::StrCat(", at most ", maximum)));
}

absl::Status CheckShapes(const Shape& queries, const Shape& keys, const Shape& values) {
  constexpr int64_t kUnbounded = int64_t{1} << 31;  // the message's size bounds it already
  absl::Status status = CheckRange("queries", "batch_size", queries.batch_size, kUnbounded);
  status.Update(CheckRange("queries", "num_heads", queries.num_heads, kUnbounded));
  status.Update(CheckRange("queries", "head_dim", queries.dim, kMaxHeadDim));
  status.Update(CheckEqual("keys", "batch_size", keys.batch_size, "queries.batch_size", queries.batch_size));
  status.Update(CheckRange("keys", "num_heads", keys.num_heads, kUnbounded));
  status.Update(CheckEqual("keys", "head_dim", keys.dim, "queries.head_dim", queries.dim));
  status.Update(CheckEqual("values", "batch_size", values.batch_size, "keys.batch_size", keys.batch_size));
  status.Update(CheckEqual("values", "num_heads", values.num_heads, "keys.num_heads", keys.num_heads));
  status.Update(CheckEqual("values", "key_length", values.length, "keys.key_length", keys.length));
  status.Update(CheckRange("values", "value_dim", values.dim, kMaxValueDim));
  if (!status.ok()) return status;
  if (queries.num_heads % keys.num_heads != 0) {
    return FieldError("keys.shape", absl::StrCat("keys.num_heads is ", keys.num_heads,
                                                 ", must divide queries.num_heads, which is ", queries.num_heads));
  }
  return absl::OkStatus();
}

absl::Status CheckCausal(const v1::AttentionSpec& wire, const AttendWork& work) {
  if (!wire.causal() || work.queries.shape.length == work.keys.shape.length) return absl::OkStatus();
  return FieldError("spec.causal",
                    absl::StrCat("spec.causal is set, queries.query_length is ", work.queries.shape.length,
                                 ", keys.key_length is ", work.keys.shape.length, ": they must be equal"));
}

template <typename RepeatedInt64>
absl::StatusOr<std::vector<int64_t>> ReadLengths(const RepeatedInt64& wire, absl::string_view field, int64_t batch_size,
                                                 int64_t length) {
  if (wire.empty()) return std::vector<int64_t>();
  if (wire.size() != batch_size) {
    return FieldError(field, absl::StrCat(field, " has ", wire.size(), " entries, queries.batch_size is ", batch_size));
  }
  for (int i = 0; i < wire.size(); ++i) {
    if (wire[i] >= 0 && wire[i] <= length) continue;
    return FieldError(absl::StrCat(field, "[", i, "]"), absl::StrCat(field, "[", i, "] is ", wire[i], ", must be 0 to ",
                                                                     length, ", the length of the tensor"));
  }
  return std::vector<int64_t>(wire.begin(), wire.end());
}

absl::Status ReadAllLengths(const v1::AttendRequest& request, AttendWork* work) {
  const Shape& queries = work->queries.shape;
  auto query_lengths = ReadLengths(request.query_lengths(), "query_lengths", queries.batch_size, queries.length);
  if (!query_lengths.ok()) return query_lengths.status();
  auto key_lengths = ReadLengths(request.key_lengths(), "key_lengths", queries.batch_size, work->keys.shape.length);
  if (!key_lengths.ok()) return key_lengths.status();
  work->query_lengths = *std::move(query_lengths);
  work->key_lengths = *std::move(key_lengths);
  return absl::OkStatus();
}

absl::Status ReadOutputType(v1::DataType wire, AttendWork* work) {
  work->output_type = work->queries.type;
  if (wire == v1::DATA_TYPE_UNSPECIFIED) return absl::OkStatus();
  const absl::StatusOr<DataType> type = ReadDataType(wire, "output_type");
  if (!type.ok()) return type.status();
  work->output_type = *type;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AttendWork> ToAttendWork(AttendMessage message) {
  AttendWork work;
  const absl::StatusOr<AxisOrder> order = ReadLayout(message.request.spec().layout());
  if (!order.ok()) return order.status();
  work.axis_order = *order;

  if (absl::Status status = CheckServed(message.request); !status.ok()) return status;
  if (absl::Status status = ReadTensors(message, &work); !status.ok()) return status;
  if (absl::Status status = CheckShapes(work.queries.shape, work.keys.shape, work.values.shape); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckCausal(message.request.spec(), work); !status.ok()) return status;
  if (absl::Status status = ReadOutputType(message.request.output_type(), &work); !status.ok()) return status;
  const v1::AttentionSpec& spec = message.request.spec();
  const SpecSizes sizes{work.queries.shape.dim, work.keys.shape.num_heads, /*has_all_queries=*/!spec.causal()};
  absl::Status status =
      spec.has_auto_() ? ReadAutoSpec(spec, sizes.head_dim, &work) : ReadSpec(spec, sizes, &message.data, &work);
  if (!status.ok()) return status;
  work.measure_error_rows = message.request.measure_error_rows();
  if (absl::Status status = CheckMeasurement(work); !status.ok()) return status;
  if (work.automatic.has_value()) work.automatic->min_measured_rows = work.measure_error_rows;
  if (absl::Status status = ReadAllLengths(message.request, &work); !status.ok()) return status;
  return work;
}

}  // namespace favor
