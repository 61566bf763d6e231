#include "client/tensor.h"

#include <cstring>

#include "favor/format/half_float.h"

namespace favor::client {

std::vector<float> ToFloat32(const TensorView& tensor) {
  std::vector<float> values(tensor.bytes.size() / SizeOf(tensor.type));
  if (tensor.type == DataType::kFloat32) {
    if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(float));
    return values;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, tensor.bytes.data() + i * sizeof(bits), sizeof(bits));
    values[i] = tensor.type == DataType::kFloat16 ? Float32FromFloat16(bits) : Float32FromBFloat16(bits);
  }
  return values;
}

}  // namespace favor::client
