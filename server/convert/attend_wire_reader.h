#ifndef FAVOR_SERVER_CONVERT_ATTEND_WIRE_READER_H_
#define FAVOR_SERVER_CONVERT_ATTEND_WIRE_READER_H_

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

// The bytes of tensors and states that were lifted out of a message.
class LiftedData {
 public:
  // Takes the bytes that the placeholder stands for, the `data` or `payload` of the message as it was parsed; an empty
  // buffer when it is empty.
  AlignedBuffer<std::byte> Take(absl::string_view placeholder);

 private:
  friend class AttendWireReader;
  std::vector<AlignedBuffer<std::byte>> buffers_;
};

// An AttendRequest read without its tensors' bytes.
struct AttendMessage {
  // Every Tensor.data that is not empty holds a placeholder.
  v1::AttendRequest request;
  LiftedData data;

  // Takes the bytes of a tensor of `request`; an empty buffer when it has none.
  AlignedBuffer<std::byte> TakeData(const v1::Tensor& tensor) { return data.Take(tensor.data()); }
};

// Reads a serialised message with tensors and states piece by piece: one copy from the wire to an aligned buffer for
// each, and a piece is freed as soon as it is copied, so a big message is never in memory twice.
//
// How: the reader walks the wire format down to the `data` fields of tensors, the projection matrix among them, and the
// `payload` of states. It copies those into buffers and writes everything else, with a placeholder of two bytes for
// each of those, to a skeleton that Protobuf parses. So Protobuf itself decides what a repeated field, a merged
// submessage, a oneof or an unknown field means. Stricter than Protobuf in one thing: groups, which proto3 has no use
// for, are refused.
//
// Nothing is allocated on a claim: every length is checked against the bytes that are there. Thread-compatible.
class AttendWireReader {
 public:
  // Bound of what is left of a message without its tensors' bytes.
  static constexpr int64_t kMaxSkeletonBytes = 1 << 20;
  // Bytes of parsed message that one skeleton byte can turn into at most (measured on empty AttentionState messages,
  // 2 bytes each on the wire: 70, and what the allocator adds).
  static constexpr int64_t kParsedBytesPerSkeletonByte = 80;

  // Of these in one message.
  static constexpr size_t kMaxLifted = 4096;

  // What the message is.
  enum class Root : uint8_t {
    kAttendRequest,
    kFoldRequest,
    kMergeRequest,
    kReadRequest,
    kAttendStreamRequest,
    kCalibrateRequest
  };

  // Does not own the source.
  explicit AttendWireReader(ByteSource* source, Root root = Root::kAttendRequest);

  // Reads on until about `max_bytes` more are consumed; true when the whole message is read. InvalidArgumentError for
  // malformed bytes, ResourceExhaustedError when there is no memory; not to be called again after either.
  absl::StatusOr<bool> Advance(int64_t max_bytes);

  // Bytes of the message read so far that are neither tensor data nor numbers of statistics.
  int64_t skeleton_bytes() const { return skeleton_bytes_; }
  // Bytes of statistics, which are doubles one after the other and count apart.
  int64_t statistics_bytes() const { return statistics_bytes_; }
  // Bytes lifted into buffers of matrices of projections, or soon to be.
  int64_t matrix_bytes() const { return matrix_bytes_; }

  // The message, once Advance() has returned true. InvalidArgumentError when Protobuf refuses the skeleton. `message`
  // is of the type of the root.
  absl::Status Finish(google::protobuf::MessageLite* message, LiftedData* data);
  absl::StatusOr<AttendMessage> Finish();

 private:
  // A message of the path down to a Tensor.data or a payload. The first ones are the roots.
  enum class Scope : uint8_t {
    kAttendRequest,
    kFoldRequest,
    kMergeRequest,
    kReadRequest,
    kAttendStreamRequest,
    kCalibrateRequest,
    kStart,
    kChunk,
    kState,
    kSpec,
    kFeatures,
    kProjection,
    kStatistics,
    kStatisticsHead,
    kTensor,
    kMatrix,
    kOpaque
  };

  // A submessage being read.
  struct Frame {
    Scope scope;
    uint32_t tag;      // in the enclosing message
    int64_t end;       // position of the first byte after it
    std::string body;  // its skeleton so far
  };

  static Scope ScopeOf(Scope outer, uint32_t field_number);
  static bool IsLifted(Scope scope, uint32_t field_number);

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
  absl::Status AppendBytes(int64_t count, std::string* to);
  absl::Status CountSkeletonBytes(int64_t count);
  absl::Status Malformed(absl::string_view what) const;
  // "the request is no AttendRequest"
  std::string IsNoMessage() const;
  bool Refill();

  ByteSource* const source_;
  absl::string_view piece_;  // what is left of the current piece
  int64_t position_ = 0;     // in the message
  int64_t skeleton_bytes_ = 0;
  int64_t statistics_bytes_ = 0;
  std::vector<Frame> frames_;
  LiftedData data_;
  int64_t matrix_bytes_ = 0;
  std::byte* lift_to_ = nullptr;  // where the next lifted byte goes
  int64_t lift_left_ = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_ATTEND_WIRE_READER_H_
