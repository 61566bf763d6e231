#ifndef FAVOR_CLIENT_WIRE_DATA_TYPE_WIRE_H_
#define FAVOR_CLIENT_WIRE_DATA_TYPE_WIRE_H_

#include <optional>

#include "favor/tensor/data_type.h"
#include "favor/v1/tensor.pb.h"

namespace favor::client {

inline v1::DataType ToWire(DataType type) {
  return type == DataType::kFloat32   ? v1::DATA_TYPE_F32
         : type == DataType::kFloat16 ? v1::DATA_TYPE_F16
                                      : v1::DATA_TYPE_BF16;
}

// Nothing for a type this client does not know.
inline std::optional<DataType> FromWire(v1::DataType type) {
  if (type == v1::DATA_TYPE_F32) return DataType::kFloat32;
  if (type == v1::DATA_TYPE_F16) return DataType::kFloat16;
  if (type == v1::DATA_TYPE_BF16) return DataType::kBFloat16;
  return std::nullopt;
}

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DATA_TYPE_WIRE_H_
