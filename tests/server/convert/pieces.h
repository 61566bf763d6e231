#ifndef FAVOR_TESTS_SERVER_CONVERT_PIECES_H_
#define FAVOR_TESTS_SERVER_CONVERT_PIECES_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/convert/attend_wire_reader.h"
#include "server/convert/byte_source.h"

namespace favor {

// A message cut at given positions, each piece in memory of its own that is gone when the next one is asked for: a
// sanitizer then sees any use of a piece after its end.
class Pieces : public ByteSource {
 public:
  Pieces(const std::string& message, const std::vector<size_t>& cuts) : total_bytes_(message.size()) {
    size_t begin = 0;
    for (const size_t cut : cuts) {
      if (cut <= begin || cut >= message.size()) continue;
      pieces_.push_back(message.substr(begin, cut - begin));
      begin = cut;
    }
    if (begin < message.size()) pieces_.push_back(message.substr(begin));
  }

  int64_t total_bytes() const override { return total_bytes_; }
  absl::string_view Next() override {
    if (next_ == pieces_.size()) return {};
    current_ = std::make_unique<std::string>(std::exchange(pieces_[next_++], {}));
    return *current_;
  }

 private:
  int64_t total_bytes_;
  std::vector<std::string> pieces_;
  size_t next_ = 0;
  std::unique_ptr<std::string> current_;
};

// Reads a whole message, `step` bytes at a time.
inline absl::StatusOr<AttendMessage> ReadMessage(const std::string& message, const std::vector<size_t>& cuts = {},
                                                 int64_t step = std::numeric_limits<int64_t>::max()) {
  Pieces pieces(message, cuts);
  AttendWireReader reader(&pieces);
  while (true) {
    const absl::StatusOr<bool> complete = reader.Advance(step);
    if (!complete.ok()) return complete.status();
    if (*complete) return reader.Finish();
  }
}

// The same of a message of any kind, which is left in `message` and `data`.
inline absl::Status ReadMessage(const std::string& wire, AttendWireReader::Root root, const std::vector<size_t>& cuts,
                                google::protobuf::MessageLite* message, LiftedData* data) {
  Pieces pieces(wire, cuts);
  AttendWireReader reader(&pieces, root);
  while (true) {
    const absl::StatusOr<bool> complete = reader.Advance(std::numeric_limits<int64_t>::max());
    if (!complete.ok()) return complete.status();
    if (*complete) return reader.Finish(message, data);
  }
}

}  // namespace favor

#endif  // FAVOR_TESTS_SERVER_CONVERT_PIECES_H_
