#ifndef FAVOR_TENSOR_DATA_TYPE_H_
#define FAVOR_TENSOR_DATA_TYPE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace favor {

// Element types of tensors. Arithmetic is float32 whatever the type; conversion happens inside the tiles.
enum class DataType : uint8_t { kFloat32, kFloat16, kBFloat16 };

// Bytes of one element.
constexpr int64_t SizeOf(DataType type) { return type == DataType::kFloat32 ? 4 : 2; }

// "F32", "F16" or "BF16", the names of the safetensors format.
constexpr absl::string_view NameOf(DataType type) {
  return type == DataType::kFloat32 ? "F32" : type == DataType::kFloat16 ? "F16" : "BF16";
}

}  // namespace favor

#endif  // FAVOR_TENSOR_DATA_TYPE_H_
