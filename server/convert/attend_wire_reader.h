#ifndef FAVOR_SERVER_CONVERT_ATTEND_WIRE_READER_H_
#define FAVOR_SERVER_CONVERT_ATTEND_WIRE_READER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/base/aligned_buffer.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/byte_source.h"

namespace favor {

// The tensors of an AttendRequest whose bytes are lifted out of the message.
enum class LiftedTensor : uint8_t { kQueries, kKeys, kValues, kMatrix };
constexpr int kNumLiftedTensors = 4;

// An AttendRequest read without its tensors' bytes.
struct AttendMessage {
  // Every Tensor.data that is not empty holds one byte, the LiftedTensor whose buffer has the bytes.
  v1::AttendRequest request;
  std::array<AlignedBuffer<std::byte>, kNumLiftedTensors> data;

  // Takes the bytes of a tensor of `request`; an empty buffer when it has none.
  AlignedBuffer<std::byte> TakeData(const v1::Tensor& tensor);
};

// Reads a serialised AttendRequest piece by piece: one copy from the wire to an aligned buffer per tensor, and a piece
// is freed as soon as it is copied, so a big message is never in memory twice.
//
// How: the reader walks the wire format down to the `data` fields of queries, keys, values and the projection matrix.
// It copies those into buffers and writes everything else, with one byte in place of each `data`, to a skeleton that
// Protobuf parses. So Protobuf itself decides what a repeated field, a merged submessage, a oneof or an unknown field
// means. Stricter than Protobuf in one thing: groups, which proto3 has no use for, are refused.
//
// Nothing is allocated on a claim: every length is checked against the bytes that are there. Thread-compatible.
class AttendWireReader {
 public:
  // Bound of what is left of a message without its tensors' bytes.
  static constexpr int64_t kMaxSkeletonBytes = 1 << 20;
  // Bytes of parsed message that one skeleton byte can turn into at most (measured on empty Statistics.Head messages,
  // 2 bytes each on the wire).
  static constexpr int64_t kParsedBytesPerSkeletonByte = 64;

  // Does not own the source.
  explicit AttendWireReader(ByteSource* source);

  // Reads on until about `max_bytes` more are consumed; true when the whole message is read. InvalidArgumentError for
  // malformed bytes, ResourceExhaustedError when there is no memory; not to be called again after either.
  absl::StatusOr<bool> Advance(int64_t max_bytes);

  // Bytes of the message read so far that are not tensor data.
  int64_t skeleton_bytes() const { return skeleton_bytes_; }
  // Bytes lifted into a tensor's buffer, or soon to be.
  int64_t lifted_bytes(LiftedTensor tensor) const { return message_.data[static_cast<size_t>(tensor)].size(); }

  // The message, once Advance() has returned true. InvalidArgumentError when Protobuf refuses the skeleton.
  absl::StatusOr<AttendMessage> Finish();

 private:
  // A message of the path down to a Tensor.data.
  enum class Scope : uint8_t { kQueries, kKeys, kValues, kMatrix, kRequest, kSpec, kFeatures, kProjection, kOpaque };

  // A submessage being read.
  struct Frame {
    Scope scope;
    uint32_t tag;      // in the enclosing message
    int64_t end;       // position of the first byte after it
    std::string body;  // its skeleton so far
  };

  static Scope ScopeOf(Scope outer, uint32_t field_number);

  absl::Status ReadField();
  absl::Status ReadLengthDelimited(uint32_t tag);
  absl::Status StartLift(Frame& frame, uint32_t tag, int64_t length);
  void ContinueLift(int64_t max_bytes);
  void CloseFrame();

  absl::Status ReadByte(uint8_t* byte);
  absl::Status ReadTag(uint32_t* tag);
  absl::Status ReadLength(int64_t* length);
  absl::Status CopyVarint(std::string* to);
  absl::Status CopyBytes(int64_t count, std::string* to);
  absl::Status CountSkeletonBytes(int64_t count);
  absl::Status Malformed(absl::string_view what) const;
  bool Refill();

  ByteSource* const source_;
  absl::string_view piece_;  // what is left of the current piece
  int64_t position_ = 0;     // in the message
  int64_t skeleton_bytes_ = 0;
  std::vector<Frame> frames_;
  AttendMessage message_;
  std::byte* lift_to_ = nullptr;  // where the next lifted byte goes
  int64_t lift_left_ = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_ATTEND_WIRE_READER_H_
