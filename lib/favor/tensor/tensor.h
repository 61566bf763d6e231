#ifndef FAVOR_TENSOR_TENSOR_H_
#define FAVOR_TENSOR_TENSOR_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"
#include "favor/tensor/data_type.h"
#include "favor/tensor/tensor_view.h"

namespace favor {

// Owns a dense tensor stored as [batch, heads, length, dim], its first element at a multiple of 64 bytes. Movable;
// views of it stay valid when it is moved. Thread-compatible.
class Tensor {
 public:
  // An empty float32 tensor.
  Tensor() = default;

  // All elements are zero. InvalidArgumentError, naming axis and value, for a negative size and for more bytes than an
  // int64 can count; ResourceExhaustedError when there is no memory.
  static absl::StatusOr<Tensor> Create(DataType type, const Shape& shape);

  DataType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t num_bytes() const { return bytes_.size(); }

  TensorView view() const { return {bytes_.data(), type_, shape_, BatchHeadsLengthDim(shape_)}; }
  MutableTensorView mutable_view() { return {bytes_.data(), type_, shape_, BatchHeadsLengthDim(shape_)}; }

  // The elements of a float32 tensor; empty for any other type.
  absl::Span<const float> floats() const;
  absl::Span<float> mutable_floats();

 private:
  DataType type_ = DataType::kFloat32;
  Shape shape_;
  AlignedBuffer<std::byte> bytes_;
};

}  // namespace favor

#endif  // FAVOR_TENSOR_TENSOR_H_
