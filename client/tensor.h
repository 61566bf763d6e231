#ifndef FAVOR_CLIENT_TENSOR_H_
#define FAVOR_CLIENT_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "favor/tensor/data_type.h"

namespace favor::client {

// A dense, row-major, little-endian tensor that somebody else owns. No alignment is asked for.
struct TensorView {
  DataType type = DataType::kFloat32;
  std::vector<int64_t> shape = {};         // outermost axis first
  absl::Span<const std::byte> bytes = {};  // product(shape) * SizeOf(type); the server refuses anything else
};

// All elements, row-major, converted to float32 (exactly: every type is a subset of it).
std::vector<float> ToFloat32(const TensorView& tensor);

// A view of floats with the given shape.
inline TensorView Float32View(absl::Span<const float> values, std::vector<int64_t> shape) {
  return {
      .type = DataType::kFloat32,
      .shape = std::move(shape),
      .bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float))};
}

// A dense, row-major tensor that owns its memory, which is aligned for any element type. Move-only.
class Tensor {
 public:
  Tensor() = default;
  // Takes over `size_bytes` bytes.
  Tensor(DataType type, std::vector<int64_t> shape, std::unique_ptr<std::byte[]> data, size_t size_bytes)
      : type_(type), shape_(std::move(shape)), data_(std::move(data)), size_bytes_(size_bytes) {}

  DataType type() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  absl::Span<const std::byte> bytes() const { return {data_.get(), size_bytes_}; }
  int64_t num_elements() const { return static_cast<int64_t>(size_bytes_) / SizeOf(type_); }

  // Valid as long as the tensor.
  TensorView view() const { return {.type = type_, .shape = shape_, .bytes = bytes()}; }

  std::vector<float> ToFloat32() const { return client::ToFloat32(view()); }

 private:
  DataType type_ = DataType::kFloat32;
  std::vector<int64_t> shape_;
  std::unique_ptr<std::byte[]> data_;
  size_t size_bytes_ = 0;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TENSOR_H_
