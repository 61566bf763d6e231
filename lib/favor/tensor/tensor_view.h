#ifndef FAVOR_TENSOR_TENSOR_VIEW_H_
#define FAVOR_TENSOR_TENSOR_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "favor/tensor/data_type.h"

namespace favor {

// Sizes of the axes [batch, heads, length, dim], whatever their order in memory.
struct Shape {
  int64_t batch_size = 0;
  int64_t num_heads = 0;
  int64_t length = 0;
  int64_t dim = 0;

  int64_t num_elements() const { return batch_size * num_heads * length * dim; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

// Distances between neighbours along each axis, in elements.
struct Strides {
  int64_t batch = 0;
  int64_t head = 0;
  int64_t length = 0;
  int64_t dim = 1;
};

// Strides of a dense tensor stored as [batch, heads, length, dim].
inline Strides BatchHeadsLengthDim(const Shape& shape) {
  return {shape.num_heads * shape.length * shape.dim, shape.length * shape.dim, shape.dim, 1};
}

// Strides of a dense tensor stored as [batch, length, heads, dim].
inline Strides BatchLengthHeadsDim(const Shape& shape) {
  return {shape.length * shape.num_heads * shape.dim, shape.dim, shape.num_heads * shape.dim, 1};
}

// A tensor somebody else owns. No alignment is asked for. `Byte` is const for inputs.
template <typename Byte>
struct BasicTensorView {
  Byte* data = nullptr;
  DataType type = DataType::kFloat32;
  Shape shape;      // [batch, heads, length, dim]
  Strides strides;  // in elements

  // NOLINTNEXTLINE(google-explicit-constructor): a view that may write is one that may read.
  operator BasicTensorView<const std::byte>() const requires(!std::is_const_v<Byte>) {
    return {data, type, shape, strides};
  }

  // Address of element [batch, head, position, 0].
  Byte* Row(int64_t batch, int64_t head, int64_t position) const {
    return data + SizeOf(type) * (batch * strides.batch + head * strides.head + position * strides.length);
  }
};

using TensorView = BasicTensorView<const std::byte>;
using MutableTensorView = BasicTensorView<std::byte>;

// A dense float32 tensor stored as [batch, heads, length, dim].
inline TensorView DenseView(const float* data, const Shape& shape) {
  return {reinterpret_cast<const std::byte*>(data), DataType::kFloat32, shape, BatchHeadsLengthDim(shape)};
}
inline MutableTensorView DenseView(float* data, const Shape& shape) {
  return {reinterpret_cast<std::byte*>(data), DataType::kFloat32, shape, BatchHeadsLengthDim(shape)};
}

}  // namespace favor

#endif  // FAVOR_TENSOR_TENSOR_VIEW_H_
