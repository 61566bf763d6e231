#ifndef FAVOR_CLIENT_WIRE_PACKED_FIELD_H_
#define FAVOR_CLIENT_WIRE_PACKED_FIELD_H_

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "client/wire/field_reader.h"

namespace favor::client {

// Appends the elements of a repeated integer field, packed or one by one; whether they could be read.
template <typename Integer>
bool AppendIntegers(const FieldReader::Field& field, std::vector<Integer>* integers) {
  if (field.is_varint) {
    integers->push_back(static_cast<Integer>(field.varint));
    return true;
  }
  const int size = static_cast<int>(field.bytes.size());
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(field.bytes.data()), size);
  while (input.CurrentPosition() < size) {
    uint64_t integer = 0;
    if (!input.ReadVarint64(&integer)) return false;
    integers->push_back(static_cast<Integer>(integer));
  }
  return true;
}

// Appends the elements of a packed float field; whether they could be read.
inline bool AppendFloats(const FieldReader::Field& field, std::vector<float>* floats) {
  if (field.is_varint || field.bytes.size() % sizeof(float) != 0) return false;
  const size_t old_size = floats->size();
  floats->resize(old_size + field.bytes.size() / sizeof(float));
  if (!field.bytes.empty()) std::memcpy(floats->data() + old_size, field.bytes.data(), field.bytes.size());
  return true;
}

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_PACKED_FIELD_H_
