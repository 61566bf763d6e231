#include "client/wire/field_reader.h"

#include <google/protobuf/wire_format_lite.h>

namespace favor::client {

using google::protobuf::internal::WireFormatLite;

FieldReader::FieldReader(absl::string_view bytes)
    : input_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())) {}

std::optional<FieldReader::Field> FieldReader::Next() {
  while (const uint32_t tag = input_.ReadTag()) {
    Field field;
    field.number = WireFormatLite::GetTagFieldNumber(tag);
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT:
        if (!input_.ReadVarint64(&field.varint)) return std::nullopt;
        return field;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        int size = 0;
        if (!input_.ReadVarintSizeAsInt(&size) || !input_.ReadString(&field.bytes, size)) return std::nullopt;
        return field;
      }
      default:
        if (!WireFormatLite::SkipField(&input_, tag)) return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace favor::client
