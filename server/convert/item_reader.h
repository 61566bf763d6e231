#ifndef FAVOR_SERVER_CONVERT_ITEM_READER_H_
#define FAVOR_SERVER_CONVERT_ITEM_READER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream.h"

namespace favor {

// EmbedRequest and TokenizeRequest hold their items, inputs or texts, in field 2. They are read in two passes: first
// everything else, since that says what to do with the items, then one item after the other. So the memory beside the
// message is that of one item, and reading can stop and go on.

constexpr int kItemField = 2;
// Of one request: what its answer, its errors and its bookkeeping may take stays small.
constexpr int64_t kMaxItems = 65536;
constexpr int64_t kMaxBytesBesideItems = 1 << 20;

struct ItemSummary {
  std::string beside;  // the message without its items
  int64_t num_items = 0;
  int64_t item_bytes = 0;  // of all together
};

// The first pass. `items` names the field in errors. InvalidArgumentError for what is no message, too many items or too
// many bytes beside them.
absl::StatusOr<ItemSummary> ReadBesideItems(google::protobuf::io::ZeroCopyInputStream* message, const char* items);

// The second pass, over a message that ReadBesideItems() has accepted.
class ItemReader {
 public:
  // Does not own the message.
  explicit ItemReader(google::protobuf::io::ZeroCopyInputStream* message) : input_(message) {}

  // The bytes of the next item. There must be one.
  absl::StatusOr<std::string> Next();
  // Bytes that the next item has, which Next() is going to allocate. There must be one.
  absl::StatusOr<int64_t> NextBytes();

 private:
  google::protobuf::io::CodedInputStream input_;
  int64_t next_bytes_ = -1;  // read already
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_ITEM_READER_H_
