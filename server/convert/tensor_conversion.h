#ifndef FAVOR_SERVER_CONVERT_TENSOR_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_TENSOR_CONVERSION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/base/aligned_buffer.h"
#include "favor/tensor/data_type.h"
#include "favor/v1/tensor.pb.h"
#include "server/execution/attend_work.h"

namespace favor {

// Axes of a layout. Errors name the field spec.layout.
absl::StatusOr<AxisOrder> ReadLayout(v1::Layout layout);
v1::Layout ToWire(AxisOrder order);

// Element type of a tensor or an output; `field` is the path of the enum.
absl::StatusOr<DataType> ReadDataType(v1::DataType type, absl::string_view field);
v1::DataType ToWire(DataType type);

// A 4-axis tensor whose bytes are in `data`. Checks rank, sizes, the product of sizes and the number of bytes. Errors
// name the field: `name` is the path of the tensor ("queries").
absl::StatusOr<OwnedTensor> ReadTensor(const v1::Tensor& wire, AlignedBuffer<std::byte> data, AxisOrder order,
                                       absl::string_view name);

// Checks that every size is >= 0 and that `shape` needs exactly `num_bytes`. Sizes of 0 count as 1 in the bound on the
// product: a tensor without elements must not have absurd axes either.
absl::Status CheckShape(const v1::Tensor& wire, DataType type, int64_t num_bytes, absl::string_view name);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_TENSOR_CONVERSION_H_
