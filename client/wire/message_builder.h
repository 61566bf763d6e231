#ifndef FAVOR_CLIENT_WIRE_MESSAGE_BUILDER_H_
#define FAVOR_CLIENT_WIRE_MESSAGE_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/support/byte_buffer.h>
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/transport/borrowed_memory.h"

namespace favor::client {

// Writes a Protobuf message whose large `bytes` fields are not copied: it keeps a list of pieces, small ones its own,
// large ones somebody else's. Protobuf itself would copy a tensor twice, into the message and into the wire form.
class MessageBuilder {
 public:
  // Below this a copy costs less than a piece of its own.
  static constexpr size_t kMinBorrowedBytes = 4096;

  // Appends fields that are serialised already.
  void AppendFields(absl::string_view serialized);
  // Appends a `bytes` field that stays where it is.
  void AppendBytes(int field_number, absl::Span<const std::byte> bytes);
  // Appends a `string` field that stays where it is.
  void AppendText(int field_number, absl::string_view text);
  // The same of bytes that `owner` keeps: nobody needs to wait until gRPC lets go of them.
  void AppendShared(int field_number, absl::string_view bytes, std::shared_ptr<const void> owner);
  // Appends an integer, boolean or enumeration.
  void AppendVarint(int field_number, int64_t value);
  // Appends an element of a packed field: a builder of nothing else is that field's content, for AppendMessage.
  void AppendRawVarint(int64_t value);
  // Appends a submessage.
  void AppendMessage(int field_number, MessageBuilder message);

  uint64_t size_bytes() const { return size_bytes_; }

  // The whole message, its borrowed pieces lent by `memory` unless they have an owner.
  grpc::ByteBuffer Build(BorrowedMemory* memory) const;

 private:
  // `owned`, then `borrowed`.
  struct Piece {
    std::string owned;
    absl::Span<const std::byte> borrowed;
    std::shared_ptr<const void> owner = nullptr;  // of `borrowed`, if anybody but the caller
  };

  std::string* OwnedTail();
  void AppendLengthDelimitedTag(int field_number, uint64_t length);

  std::vector<Piece> pieces_;
  uint64_t size_bytes_ = 0;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_MESSAGE_BUILDER_H_
