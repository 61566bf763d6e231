#include "favor/tensor/tensor.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace favor {
namespace {

absl::StatusOr<int64_t> NumBytes(DataType type, const Shape& shape) {
  const std::pair<absl::string_view, int64_t> axes[] = {
      {"batch_size", shape.batch_size}, {"num_heads", shape.num_heads}, {"length", shape.length}, {"dim", shape.dim}};
  bool empty = false;
  for (const auto& [name, size] : axes) {
    if (size < 0) return absl::InvalidArgumentError(absl::StrCat("shape.", name, " is ", size, ", at least 0"));
    empty |= size == 0;
  }
  if (empty) return 0;
  int64_t bytes = SizeOf(type);
  for (const auto& [name, size] : axes) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("shape [", shape.batch_size, ", ", shape.num_heads, ", ",
                                                     shape.length, ", ", shape.dim,
                                                     "] has more bytes than an int64 can count"));
    }
  }
  return bytes;
}

}  // namespace

absl::StatusOr<Tensor> Tensor::Create(DataType type, const Shape& shape) {
  const absl::StatusOr<int64_t> num_bytes = NumBytes(type, shape);
  if (!num_bytes.ok()) return num_bytes.status();
  absl::StatusOr<AlignedBuffer<std::byte>> bytes = AlignedBuffer<std::byte>::AllocateZeroed(*num_bytes);
  if (!bytes.ok()) return bytes.status();
  Tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = shape;
  tensor.bytes_ = *std::move(bytes);
  return tensor;
}

absl::Span<const float> Tensor::floats() const {
  if (type_ != DataType::kFloat32) return {};
  return {reinterpret_cast<const float*>(bytes_.data()), static_cast<size_t>(bytes_.size()) / sizeof(float)};
}

absl::Span<float> Tensor::mutable_floats() {
  if (type_ != DataType::kFloat32) return {};
  return {reinterpret_cast<float*>(bytes_.data()), static_cast<size_t>(bytes_.size()) / sizeof(float)};
}

}  // namespace favor
