#ifndef FAVOR_FORMAT_STORED_TENSOR_H_
#define FAVOR_FORMAT_STORED_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/tensor/data_type.h"

namespace favor {

// A tensor as it stands in a file: dense, row-major, little-endian. Does not own its data.
struct StoredTensor {
  std::string name;                  // empty in .npy files
  std::string dtype;                 // name of the safetensors format: "F32", "F64", "I64", ...
  std::vector<int64_t> shape;        // no sizes: a scalar
  absl::Span<const std::byte> data;  // not aligned
};

constexpr int64_t kMaxStoredRank = 32;

// Bytes of one element; 0 for a dtype we do not know. Known: BOOL, U8, I8, F8_E4M3, F8_E5M2, U16, I16, F16, BF16, U32,
// I32, F32, U64, I64, F64.
int64_t StoredElementSize(absl::string_view dtype);

// Bytes of a dense tensor. InvalidArgumentError naming the offence: unknown dtype, more than kMaxStoredRank sizes, a
// negative size, more bytes than an int64 can count, sizes of 0 left out of it: a product of any sizes of a shape that
// was accepted has no overflow.
absl::StatusOr<int64_t> StoredByteSize(absl::string_view dtype, absl::Span<const int64_t> shape);

// "[2, 8, 128, 64]"
std::string ShapeString(absl::Span<const int64_t> shape);

// The type that has this name; InvalidArgumentError for any other dtype, F64 included.
absl::StatusOr<DataType> DataTypeOf(const StoredTensor& tensor);

// The elements of an F64, F32, F16 or BF16 tensor as float32; F64 is rounded to nearest. InvalidArgumentError, naming
// the tensor, for other dtypes or when the data do not fit the shape; ResourceExhaustedError when there is no memory.
absl::StatusOr<AlignedBuffer<float>> ToFloat32(const StoredTensor& tensor);

}  // namespace favor

#endif  // FAVOR_FORMAT_STORED_TENSOR_H_
