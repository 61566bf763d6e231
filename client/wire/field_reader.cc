#include "client/wire/field_reader.h"

#include <google/protobuf/wire_format_lite.h>

namespace favor::client {
namespace {

using google::protobuf::internal::WireFormatLite;

// Reads a length and, without a copy, as many bytes.
bool ReadView(google::protobuf::io::CodedInputStream* input, absl::string_view* bytes) {
  int size = 0;
  if (!input->ReadVarintSizeAsInt(&size)) return false;
  if (size == 0) return true;
  const void* data = nullptr;
  int available = 0;
  if (!input->GetDirectBufferPointer(&data, &available) || size > available) return false;
  *bytes = absl::string_view(static_cast<const char*>(data), size);
  return input->Skip(size);
}

}  // namespace

FieldReader::FieldReader(absl::string_view bytes)
    : malformed_(bytes.size() > INT32_MAX),
      input_(reinterpret_cast<const uint8_t*>(bytes.data()), malformed_ ? 0 : static_cast<int>(bytes.size())) {}

std::optional<FieldReader::Field> FieldReader::Fail() {
  malformed_ = true;
  return std::nullopt;
}

std::optional<FieldReader::Field> FieldReader::Next() {
  while (const uint32_t tag = input_.ReadTag()) {
    Field field;
    field.number = WireFormatLite::GetTagFieldNumber(tag);
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT:
        field.is_varint = true;
        if (!input_.ReadVarint64(&field.varint)) return Fail();
        return field;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        if (!ReadView(&input_, &field.bytes)) return Fail();
        return field;
      default:
        if (!WireFormatLite::SkipField(&input_, tag)) return Fail();
    }
  }
  return input_.ConsumedEntireMessage() ? std::nullopt : Fail();
}

}  // namespace favor::client
