// The reader that lifts tensors out of an AttendRequest agrees with Protobuf, however the message is cut into pieces,
// and whatever it reads becomes work or an error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_request_conversion.h"
#include "server/convert/attend_wire_reader.h"
#include "server/convert/byte_source.h"

namespace {

class Pieces : public favor::ByteSource {
 public:
  Pieces(absl::string_view message, size_t piece_size) : rest_(message), total_(message.size()), size_(piece_size) {}

  int64_t total_bytes() const override { return static_cast<int64_t>(total_); }
  absl::string_view Next() override {
    const absl::string_view piece = rest_.substr(0, size_);
    rest_.remove_prefix(piece.size());
    return piece;
  }

 private:
  absl::string_view rest_;
  const size_t total_;
  const size_t size_;
};

absl::StatusOr<favor::AttendMessage> Read(absl::string_view bytes, size_t piece_size) {
  Pieces pieces(bytes, piece_size);
  favor::AttendWireReader reader(&pieces);
  while (true) {
    const absl::StatusOr<bool> done = reader.Advance(static_cast<int64_t>(piece_size));
    if (!done.ok()) return done.status();
    if (*done) return reader.Finish();
  }
}

// Puts the lifted bytes back.
void Restore(favor::AttendMessage& message, favor::v1::Tensor* tensor) {
  const auto data = message.TakeData(*tensor);
  const auto bytes = data.span();
  tensor->set_data(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

favor::v1::AttendRequest Whole(favor::AttendMessage message) {
  favor::v1::AttendRequest request = message.request;
  if (request.has_queries()) Restore(message, request.mutable_queries());
  if (request.has_keys()) Restore(message, request.mutable_keys());
  if (request.has_values()) Restore(message, request.mutable_values());
  if (request.spec().features().projection().has_matrix()) {
    Restore(message, request.mutable_spec()->mutable_features()->mutable_projection()->mutable_matrix());
  }
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece_size = std::max<size_t>(1, data[0]);
  const absl::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);

  absl::StatusOr<favor::AttendMessage> message = Read(bytes, piece_size);
  if (!message.ok()) return 0;  // it may be stricter than Protobuf
  favor::v1::AttendRequest expected;
  if (!expected.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) std::abort();
  // Compared as bytes, so that NaN equals itself.
  if (expected.SerializeAsString() != Whole(*Read(bytes, piece_size)).SerializeAsString()) std::abort();

  const auto work = favor::ToAttendWork(*std::move(message));
  if (!work.ok() && work.status().message().empty()) std::abort();
  return 0;
}
