#ifndef FAVOR_TESTS_SUPPORT_TENSOR_H_
#define FAVOR_TESTS_SUPPORT_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "favor/tensor/tensor_view.h"

namespace favor::testing {

// A dense double tensor [batch, heads, length, dim]: what tests compute with, whatever the library is handed.
struct DoubleTensor {
  DoubleTensor() = default;
  explicit DoubleTensor(const Shape& shape) : shape(shape), values(shape.num_elements()) {}

  absl::Span<double> Row(int64_t batch, int64_t head, int64_t position);
  absl::Span<const double> Row(int64_t batch, int64_t head, int64_t position) const;

  Shape shape;
  std::vector<double> values;
};

// Every element of a view, padding included. Half floats are decoded here, independently of lib/favor/format.
DoubleTensor Decode(const TensorView& view);
DoubleTensor Decode(const MutableTensorView& view);

// The nearest value the type can hold (ties to even).
double RoundTo(DataType type, double value);

// Parts of a tensor, as new tensors.
DoubleTensor SliceBatch(const DoubleTensor& tensor, int64_t begin, int64_t count);
DoubleTensor SliceHeads(const DoubleTensor& tensor, int64_t begin, int64_t count);
DoubleTensor SliceLength(const DoubleTensor& tensor, int64_t begin, int64_t count);
// Row order[i] of every sequence becomes row i.
DoubleTensor ReorderLength(const DoubleTensor& tensor, absl::Span<const int64_t> order);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_TENSOR_H_
