#include "server/convert/tensor_conversion.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

// No message holds more elements: Protobuf ends at 2 GiB.
constexpr int64_t kMaxElements = int64_t{1} << 31;
// A tensor without tokens has sequences and heads for nothing, and each of them costs something.
constexpr int64_t kMaxSizesOfEmpty = int64_t{1} << 20;

}  // namespace

absl::StatusOr<AxisOrder> ReadLayout(v1::Layout layout) {
  switch (layout) {
    case v1::LAYOUT_UNSPECIFIED:
    case v1::LAYOUT_BATCH_HEADS_LENGTH_DIM:
      return AxisOrder::kBatchHeadsLengthDim;
    case v1::LAYOUT_BATCH_LENGTH_HEADS_DIM:
      return AxisOrder::kBatchLengthHeadsDim;
    default:
      return FieldError("spec.layout",
                        absl::StrCat("spec.layout is ", static_cast<int>(layout), ", which is no Layout"));
  }
}

v1::Layout ToWire(AxisOrder order) {
  return order == AxisOrder::kBatchHeadsLengthDim ? v1::LAYOUT_BATCH_HEADS_LENGTH_DIM
                                                  : v1::LAYOUT_BATCH_LENGTH_HEADS_DIM;
}

absl::StatusOr<DataType> ReadDataType(v1::DataType type, absl::string_view field) {
  switch (type) {
    case v1::DATA_TYPE_F32:
      return DataType::kFloat32;
    case v1::DATA_TYPE_F16:
      return DataType::kFloat16;
    case v1::DATA_TYPE_BF16:
      return DataType::kBFloat16;
    case v1::DATA_TYPE_UNSPECIFIED:
      return FieldError(field, absl::StrCat(field, " is unset, must be one of F32, F16, BF16"));
    default:
      return FieldError(field, absl::StrCat(field, " is ", static_cast<int>(type), ", which is no DataType"));
  }
}

v1::DataType ToWire(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return v1::DATA_TYPE_F32;
    case DataType::kFloat16:
      return v1::DATA_TYPE_F16;
    case DataType::kBFloat16:
      return v1::DATA_TYPE_BF16;
  }
  return v1::DATA_TYPE_UNSPECIFIED;
}

absl::Status CheckShape(const v1::Tensor& wire, DataType type, int64_t num_bytes, absl::string_view name) {
  const std::string field = absl::StrCat(name, ".shape");
  int64_t num_elements = 1;
  int64_t product_of_nonzero = 1;
  for (int axis = 0; axis < wire.shape_size(); ++axis) {
    const int64_t size = wire.shape(axis);
    if (size < 0) return FieldError(field, absl::StrCat(field, "[", axis, "] is ", size, ", at least 0"));
    if (size > kMaxElements / product_of_nonzero) {
      return FieldError(field, absl::StrCat(field, " is [", absl::StrJoin(wire.shape(), ", "),
                                            "], whose sizes multiply to more than ", kMaxElements));
    }
    product_of_nonzero *= std::max<int64_t>(size, 1);
    num_elements *= size;
  }
  if (num_elements == 0 && product_of_nonzero > kMaxSizesOfEmpty) {
    return FieldError(field,
                      absl::StrCat(field, " is [", absl::StrJoin(wire.shape(), ", "),
                                   "], no elements, and other sizes that multiply to more than ", kMaxSizesOfEmpty));
  }
  if (const int64_t needed = num_elements * SizeOf(type); needed != num_bytes) {
    return FieldError(absl::StrCat(name, ".data"),
                      absl::StrCat(name, ".data has ", num_bytes, " bytes, ", field, " [",
                                   absl::StrJoin(wire.shape(), ", "), "] of ", NameOf(type), " takes ", needed));
  }
  return absl::OkStatus();
}

absl::StatusOr<OwnedTensor> ReadTensor(const v1::Tensor& wire, AlignedBuffer<std::byte> data, AxisOrder order,
                                       absl::string_view name) {
  const absl::StatusOr<DataType> type = ReadDataType(wire.data_type(), absl::StrCat(name, ".data_type"));
  if (!type.ok()) return type.status();
  if (wire.shape_size() != 4) {
    return FieldError(absl::StrCat(name, ".shape"),
                      absl::StrCat(name, ".shape has ", wire.shape_size(), " axes, must have 4"));
  }
  if (absl::Status status = CheckShape(wire, *type, data.size(), name); !status.ok()) return status;

  OwnedTensor tensor;
  tensor.data = std::move(data);
  tensor.type = *type;
  const bool heads_first = order == AxisOrder::kBatchHeadsLengthDim;
  tensor.shape = {wire.shape(0), wire.shape(heads_first ? 1 : 2), wire.shape(heads_first ? 2 : 1), wire.shape(3)};
  return tensor;
}

}  // namespace favor
