#include "server/convert/item_reader.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr uint32_t kItemTag = WireFormatLite::MakeTag(kItemField, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

absl::Status Malformed() { return absl::InvalidArgumentError("the request is malformed: Protobuf cannot parse it"); }

// Copies a field, unless too much would be beside the items then: what a length claims is checked before it is read.
absl::Status CopyField(uint32_t tag, const char* items, CodedInputStream* input, CodedOutputStream* output) {
  uint32_t size = 0;
  std::string bytes;
  const auto type = WireFormatLite::GetTagWireType(tag);
  const bool has_length = type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
  if (type == WireFormatLite::WIRETYPE_START_GROUP) return Malformed();
  if (has_length && !input->ReadVarint32(&size)) return Malformed();
  if (output->ByteCount() + int64_t{size} > kMaxBytesBesideItems) {
    return absl::InvalidArgumentError(absl::StrCat("the request has more than ", kMaxBytesBesideItems,
                                                   " bytes beside its ", items, ", which is the most there may be"));
  }
  if (!has_length) return WireFormatLite::SkipField(input, tag, output) ? absl::OkStatus() : Malformed();
  if (!input->ReadString(&bytes, static_cast<int>(size))) return Malformed();
  output->WriteTag(tag);
  output->WriteVarint32(size);
  output->WriteString(bytes);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ItemSummary> ReadBesideItems(google::protobuf::io::ZeroCopyInputStream* message, const char* items) {
  ItemSummary summary;
  CodedInputStream input(message);
  google::protobuf::io::StringOutputStream beside(&summary.beside);
  CodedOutputStream output(&beside);
  while (const uint32_t tag = input.ReadTag()) {
    if (tag != kItemTag) {
      if (absl::Status status = CopyField(tag, items, &input, &output); !status.ok()) return status;
      continue;
    }
    uint32_t size = 0;
    if (!input.ReadVarint32(&size) || size > INT32_MAX || !input.Skip(static_cast<int>(size))) return Malformed();
    summary.item_bytes += size;
    if (++summary.num_items > kMaxItems) {
      return FieldError(items,
                        absl::StrCat(items, " has more than ", kMaxItems, " entries, which is the most there may be"));
    }
  }
  if (!input.ConsumedEntireMessage()) return Malformed();
  output.Trim();
  return summary;
}

absl::StatusOr<int64_t> ItemReader::NextBytes() {
  while (next_bytes_ < 0) {
    const uint32_t tag = input_.ReadTag();
    uint32_t size = 0;
    if (tag == 0) return Malformed();
    if (tag != kItemTag) {
      if (!WireFormatLite::SkipField(&input_, tag)) return Malformed();
    } else if (!input_.ReadVarint32(&size)) {
      return Malformed();
    } else {
      next_bytes_ = size;
    }
  }
  return next_bytes_;
}

absl::StatusOr<std::string> ItemReader::Next() {
  const absl::StatusOr<int64_t> bytes = NextBytes();
  if (!bytes.ok()) return bytes.status();
  next_bytes_ = -1;
  std::string item;
  if (!input_.ReadString(&item, static_cast<int>(*bytes))) return Malformed();
  return item;
}

}  // namespace favor
