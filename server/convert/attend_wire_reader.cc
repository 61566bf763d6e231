#include "server/convert/attend_wire_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Protobuf refuses lengths from 2 GiB on.
constexpr int64_t kMaxLength = (int64_t{1} << 31) - 1;

void AppendVarint(uint64_t value, std::string* to) {
  for (; value >= 0x80; value >>= 7) to->push_back(static_cast<char>(value | 0x80));
  to->push_back(static_cast<char>(value));
}

}  // namespace

AlignedBuffer<std::byte> LiftedData::Take(absl::string_view placeholder) {
  if (placeholder.size() != 2) return {};
  const size_t index = static_cast<uint8_t>(placeholder[0]) | static_cast<size_t>(placeholder[1]) << 8;
  return index < buffers_.size() ? std::exchange(buffers_[index], AlignedBuffer<std::byte>())
                                 : AlignedBuffer<std::byte>();
}

AttendWireReader::AttendWireReader(ByteSource* source, Root root) : source_(source) {
  frames_.push_back({static_cast<Scope>(root), 0, source->total_bytes(), {}});
}

absl::StatusOr<bool> AttendWireReader::Advance(int64_t max_bytes) {
  const int64_t stop = position_ + max_bytes;
  while (position_ < stop) {
    if (lift_left_ > 0) {
      ContinueLift(stop - position_);
      if (lift_left_ > 0 && piece_.empty() && !Refill()) return Malformed("the message ends inside a tensor");
      continue;
    }
    while (frames_.size() > 1 && position_ == frames_.back().end) CloseFrame();
    if (frames_.size() == 1 && position_ == frames_.back().end) return true;
    if (absl::Status status = ReadField(); !status.ok()) return status;
  }
  while (lift_left_ == 0 && frames_.size() > 1 && position_ == frames_.back().end) CloseFrame();
  return lift_left_ == 0 && frames_.size() == 1 && position_ == frames_.back().end;
}

absl::Status AttendWireReader::Finish(google::protobuf::MessageLite* message, LiftedData* data) {
  if (!message->ParseFromString(frames_.front().body)) {
    return absl::InvalidArgumentError(absl::StrCat(IsNoMessage(), ": Protobuf cannot parse it"));
  }
  *data = std::move(data_);
  return absl::OkStatus();
}

absl::StatusOr<AttendMessage> AttendWireReader::Finish() {
  AttendMessage message;
  if (absl::Status status = Finish(&message.request, &message.data); !status.ok()) return status;
  return message;
}

AttendWireReader::Scope AttendWireReader::ScopeOf(Scope outer, uint32_t field_number) {
  struct Descent {
    Scope outer;
    int field_number;
    Scope inner;
  };
  static constexpr Descent kDescents[] = {
      {Scope::kAttendRequest, v1::AttendRequest::kQueriesFieldNumber, Scope::kTensor},
      {Scope::kAttendRequest, v1::AttendRequest::kKeysFieldNumber, Scope::kTensor},
      {Scope::kAttendRequest, v1::AttendRequest::kValuesFieldNumber, Scope::kTensor},
      {Scope::kAttendRequest, v1::AttendRequest::kSpecFieldNumber, Scope::kSpec},
      {Scope::kFoldRequest, v1::FoldRequest::kKeysFieldNumber, Scope::kTensor},
      {Scope::kFoldRequest, v1::FoldRequest::kValuesFieldNumber, Scope::kTensor},
      {Scope::kFoldRequest, v1::FoldRequest::kSpecFieldNumber, Scope::kSpec},
      {Scope::kFoldRequest, v1::FoldRequest::kStateFieldNumber, Scope::kState},
      {Scope::kMergeRequest, v1::MergeRequest::kStatesFieldNumber, Scope::kState},
      {Scope::kReadRequest, v1::ReadRequest::kQueriesFieldNumber, Scope::kTensor},
      {Scope::kReadRequest, v1::ReadRequest::kStateFieldNumber, Scope::kState},
      {Scope::kAttendStreamRequest, v1::AttendStreamRequest::kStartFieldNumber, Scope::kStart},
      {Scope::kAttendStreamRequest, v1::AttendStreamRequest::kChunkFieldNumber, Scope::kChunk},
      {Scope::kCalibrateRequest, v1::CalibrateRequest::kQueriesFieldNumber, Scope::kTensor},
      {Scope::kCalibrateRequest, v1::CalibrateRequest::kKeysFieldNumber, Scope::kTensor},
      {Scope::kCalibrateRequest, v1::CalibrateRequest::kSpecFieldNumber, Scope::kSpec},
      {Scope::kStart, v1::AttendStreamRequest::Start::kSpecFieldNumber, Scope::kSpec},
      {Scope::kStart, v1::AttendStreamRequest::Start::kStateFieldNumber, Scope::kState},
      {Scope::kChunk, v1::AttendStreamRequest::Chunk::kQueriesFieldNumber, Scope::kTensor},
      {Scope::kChunk, v1::AttendStreamRequest::Chunk::kKeysFieldNumber, Scope::kTensor},
      {Scope::kChunk, v1::AttendStreamRequest::Chunk::kValuesFieldNumber, Scope::kTensor},
      {Scope::kState, v1::AttentionState::kSpecFieldNumber, Scope::kSpec},
      {Scope::kSpec, v1::AttentionSpec::kFeaturesFieldNumber, Scope::kFeatures},
      {Scope::kFeatures, v1::FeatureSpec::kProjectionFieldNumber, Scope::kProjection},
      {Scope::kProjection, v1::Projection::kMatrixFieldNumber, Scope::kMatrix},
      {Scope::kFeatures, v1::FeatureSpec::kStatisticsFieldNumber, Scope::kStatistics},
      {Scope::kStatistics, v1::Statistics::kHeadsFieldNumber, Scope::kStatisticsHead},
  };
  for (const Descent& descent : kDescents) {
    if (descent.outer == outer && static_cast<uint32_t>(descent.field_number) == field_number) return descent.inner;
  }
  return Scope::kOpaque;
}

bool AttendWireReader::IsLifted(Scope scope, uint32_t field_number) {
  if (scope == Scope::kState) return field_number == v1::AttentionState::kPayloadFieldNumber;
  return (scope == Scope::kTensor || scope == Scope::kMatrix) && field_number == v1::Tensor::kDataFieldNumber;
}

absl::Status AttendWireReader::ReadField() {
  uint32_t tag = 0;
  if (absl::Status status = ReadTag(&tag); !status.ok()) return status;
  if (tag >> 3 == 0) return Malformed("field number 0");
  if ((tag & 7) == kLengthDelimited) return ReadLengthDelimited(tag);

  std::string& body = frames_.back().body;
  AppendVarint(tag, &body);
  switch (tag & 7) {
    case kVarint:
      return CopyVarint(&body);
    case kFixed64:
      return CopyBytes(8, &body);
    case kFixed32:
      return CopyBytes(4, &body);
    default:
      return Malformed("a group, or no wire type at all");
  }
}

absl::Status AttendWireReader::ReadLengthDelimited(uint32_t tag) {
  int64_t length = 0;
  if (absl::Status status = ReadLength(&length); !status.ok()) return status;
  Frame& frame = frames_.back();
  if (length > frame.end - position_) {
    return Malformed(absl::StrCat("a length of ", length, " with ", frame.end - position_, " bytes left"));
  }
  if (IsLifted(frame.scope, tag >> 3)) return StartLift(frame, tag, length);

  const Scope inner = ScopeOf(frame.scope, tag >> 3);
  if (inner != Scope::kOpaque) {
    frames_.push_back({inner, tag, position_ + length, {}});
    return absl::OkStatus();
  }
  AppendVarint(tag, &frame.body);
  AppendVarint(length, &frame.body);
  if (frame.scope != Scope::kStatisticsHead) return CopyBytes(length, &frame.body);
  statistics_bytes_ += length;
  return AppendBytes(length, &frame.body);
}

absl::Status AttendWireReader::StartLift(Frame& frame, uint32_t tag, int64_t length) {
  AppendVarint(tag, &frame.body);
  AppendVarint(length == 0 ? 0 : 2, &frame.body);
  if (length == 0) return absl::OkStatus();
  const size_t index = data_.buffers_.size();
  if (index == kMaxLifted) return Malformed(absl::StrCat("more than ", kMaxLifted, " tensors and states"));
  frame.body.push_back(static_cast<char>(index & 0xff));
  frame.body.push_back(static_cast<char>(index >> 8));
  if (frame.scope == Scope::kMatrix) matrix_bytes_ += length;

  auto allocated = AlignedBuffer<std::byte>::Allocate(length);
  if (!allocated.ok()) return allocated.status();
  data_.buffers_.push_back(*std::move(allocated));
  lift_to_ = data_.buffers_.back().data();
  lift_left_ = length;
  return absl::OkStatus();
}

void AttendWireReader::ContinueLift(int64_t max_bytes) {
  const int64_t count = std::min({max_bytes, lift_left_, static_cast<int64_t>(piece_.size())});
  if (count == 0) return;
  std::memcpy(lift_to_, piece_.data(), count);
  piece_.remove_prefix(count);
  lift_to_ += count;
  lift_left_ -= count;
  position_ += count;
}

void AttendWireReader::CloseFrame() {
  const Frame frame = std::move(frames_.back());
  frames_.pop_back();
  std::string& outer = frames_.back().body;
  AppendVarint(frame.tag, &outer);
  AppendVarint(frame.body.size(), &outer);
  outer += frame.body;
}

absl::Status AttendWireReader::ReadByte(uint8_t* byte) {
  if (position_ == frames_.back().end || (piece_.empty() && !Refill())) return Malformed("it ends inside a field");
  *byte = static_cast<uint8_t>(piece_.front());
  piece_.remove_prefix(1);
  ++position_;
  return CountSkeletonBytes(1);
}

// As Protobuf: up to 5 bytes, bits beyond the 32nd dropped.
absl::Status AttendWireReader::ReadTag(uint32_t* tag) {
  *tag = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    uint8_t byte = 0;
    if (absl::Status status = ReadByte(&byte); !status.ok()) return status;
    *tag |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return absl::OkStatus();
  }
  return Malformed("a tag of more than 5 bytes");
}

absl::Status AttendWireReader::ReadLength(int64_t* length) {
  *length = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    uint8_t byte = 0;
    if (absl::Status status = ReadByte(&byte); !status.ok()) return status;
    *length |= static_cast<int64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return *length <= kMaxLength ? absl::OkStatus() : Malformed("a length of 2 GiB or more");
  }
  return Malformed("a length of more than 5 bytes");
}

absl::Status AttendWireReader::CopyVarint(std::string* to) {
  for (int i = 0; i < 10; ++i) {
    uint8_t byte = 0;
    if (absl::Status status = ReadByte(&byte); !status.ok()) return status;
    to->push_back(static_cast<char>(byte));
    if (byte < 0x80) return absl::OkStatus();
  }
  return Malformed("a varint of more than 10 bytes");
}

absl::Status AttendWireReader::CopyBytes(int64_t count, std::string* to) {
  if (count > frames_.back().end - position_) return Malformed("it ends inside a field");
  if (absl::Status status = CountSkeletonBytes(count); !status.ok()) return status;
  return AppendBytes(count, to);
}

absl::Status AttendWireReader::AppendBytes(int64_t count, std::string* to) {
  while (count > 0) {
    if (piece_.empty() && !Refill()) return Malformed("it ends inside a field");
    const int64_t now = std::min(count, static_cast<int64_t>(piece_.size()));
    to->append(piece_.data(), now);
    piece_.remove_prefix(now);
    position_ += now;
    count -= now;
  }
  return absl::OkStatus();
}

absl::Status AttendWireReader::CountSkeletonBytes(int64_t count) {
  skeleton_bytes_ += count;
  if (skeleton_bytes_ <= kMaxSkeletonBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the request has more than ", kMaxSkeletonBytes, " bytes beside the data of its tensors"));
}

absl::Status AttendWireReader::Malformed(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(IsNoMessage(), ": ", what, " at byte ", position_));
}

std::string AttendWireReader::IsNoMessage() const {
  static constexpr const char* kNames[] = {"AttendRequest", "FoldRequest",         "MergeRequest",
                                           "ReadRequest",   "AttendStreamRequest", "CalibrateRequest"};
  return absl::StrCat("the request is no ", kNames[static_cast<size_t>(frames_.front().scope)]);
}

bool AttendWireReader::Refill() {
  piece_ = source_->Next();
  return !piece_.empty();
}

}  // namespace favor
