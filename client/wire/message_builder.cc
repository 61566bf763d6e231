#include "client/wire/message_builder.h"

#include <google/protobuf/io/coded_stream.h>

#include <utility>

namespace favor::client {
namespace {

constexpr uint32_t kLengthDelimited = 2;

grpc::Slice SharedSlice(absl::Span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  using Owner = std::shared_ptr<const void>;
  // gRPC never writes to a slice that it sends.
  return grpc::Slice(
      const_cast<std::byte*>(bytes.data()), bytes.size(), [](void* held) { delete static_cast<Owner*>(held); },
      new Owner(owner));
}

}  // namespace

std::string* MessageBuilder::OwnedTail() {
  if (pieces_.empty() || !pieces_.back().borrowed.empty()) pieces_.emplace_back();
  return &pieces_.back().owned;
}

void MessageBuilder::AppendLengthDelimitedTag(int field_number, uint64_t length) {
  using google::protobuf::io::CodedOutputStream;
  uint8_t buffer[20];
  uint8_t* end =
      CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(field_number) << 3 | kLengthDelimited, buffer);
  end = CodedOutputStream::WriteVarint64ToArray(length, end);
  AppendFields(absl::string_view(reinterpret_cast<const char*>(buffer), end - buffer));
}

void MessageBuilder::AppendFields(absl::string_view serialized) {
  OwnedTail()->append(serialized.data(), serialized.size());
  size_bytes_ += serialized.size();
}

void MessageBuilder::AppendBytes(int field_number, absl::Span<const std::byte> bytes) {
  AppendLengthDelimitedTag(field_number, bytes.size());
  if (bytes.size() < kMinBorrowedBytes) {
    AppendFields(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    return;
  }
  OwnedTail();
  pieces_.back().borrowed = bytes;
  size_bytes_ += bytes.size();
}

void MessageBuilder::AppendText(int field_number, absl::string_view text) {
  AppendBytes(field_number, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

void MessageBuilder::AppendShared(int field_number, absl::string_view bytes, std::shared_ptr<const void> owner) {
  AppendText(field_number, bytes);
  if (!pieces_.back().borrowed.empty()) pieces_.back().owner = std::move(owner);
}

void MessageBuilder::AppendVarint(int field_number, int64_t value) {
  AppendRawVarint(static_cast<int64_t>(field_number) << 3);
  AppendRawVarint(value);
}

void MessageBuilder::AppendRawVarint(int64_t value) {
  uint8_t buffer[10];
  const uint8_t* end =
      google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(static_cast<uint64_t>(value), buffer);
  AppendFields(absl::string_view(reinterpret_cast<const char*>(buffer), end - buffer));
}

void MessageBuilder::AppendMessage(int field_number, MessageBuilder message) {
  AppendLengthDelimitedTag(field_number, message.size_bytes_);
  for (Piece& piece : message.pieces_) {
    OwnedTail()->append(piece.owned);
    pieces_.back().borrowed = piece.borrowed;
    pieces_.back().owner = std::move(piece.owner);
  }
  size_bytes_ += message.size_bytes_;
}

grpc::ByteBuffer MessageBuilder::Build(BorrowedMemory* memory) const {
  std::vector<grpc::Slice> slices;
  for (const Piece& piece : pieces_) {
    if (!piece.owned.empty()) slices.emplace_back(piece.owned);
    if (piece.borrowed.empty()) continue;
    slices.push_back(piece.owner ? SharedSlice(piece.borrowed, piece.owner) : memory->Lend(piece.borrowed));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace favor::client
