#ifndef FAVOR_TESTS_SUPPORT_STRIDED_TENSOR_H_
#define FAVOR_TESTS_SUPPORT_STRIDED_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "favor/tensor/tensor_view.h"
#include "tests/support/random.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// Owns a tensor whose elements lie anywhere among bytes that belong to nobody: gaps between elements and a zone on
// either side hold 0xFF, which reads as NaN in every element type, and writes to them are found by GuardsIntact().
class StridedTensor {
 public:
  // misalignment: bytes by which element 0 is off any useful alignment, 0 to 63.
  StridedTensor(const Shape& shape, DataType type, const Strides& strides, int64_t misalignment = 0);

  // Rounds each value to the type.
  void Fill(const DoubleTensor& tensor);

  TensorView view() const { return {bytes_.data() + origin_, type_, shape_, strides_}; }
  MutableTensorView mutable_view() { return {bytes_.data() + origin_, type_, shape_, strides_}; }

  // Whether every byte that belongs to no element is as it was.
  bool GuardsIntact() const;

 private:
  Shape shape_;
  DataType type_;
  Strides strides_;
  int64_t origin_ = 0;
  std::vector<std::byte> bytes_;
};

// Any order of the four axes in memory, some with gaps; the dim axis need not be the innermost.
Strides RandomStrides(Random& random, const Shape& shape);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_STRIDED_TENSOR_H_
