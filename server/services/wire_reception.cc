#include "server/services/wire_reception.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "server/rpc/byte_buffer_source.h"

namespace favor {
namespace {

// Up to this size reading takes some 20 us, less than a way through the pool. 16 tokens of 8 heads of 64 are 96 KiB.
constexpr int64_t kMaxInlineBytes = 128 << 10;
// A step of the pool: a fraction of a millisecond.
constexpr int64_t kStepBytes = 1 << 20;

struct Reception {
  Reception(grpc::ByteBuffer message, WireHandling handling)
      : source(std::move(message)), reader(&source, handling.root), handling(std::move(handling)) {}

  ByteBufferSource source;
  AttendWireReader reader;
  WireHandling handling;
  bool complete = false;
};

// What Protobuf makes of the skeleton, what a projection makes of a matrix (widened to float32, then copied), and what
// statistics are in passing (twice as a skeleton, once parsed), is admitted before it is made.
absl::Status Convert(Reception& reception, Admission::Reservation* reservation) {
  AttendWireReader& reader = reception.reader;
  const int64_t matrix_bytes = reader.matrix_bytes();
  const int64_t statistics_bytes = reader.statistics_bytes();
  const int64_t passing_bytes =
      reader.skeleton_bytes() * AttendWireReader::kParsedBytesPerSkeletonByte + 3 * matrix_bytes + 3 * statistics_bytes;
  absl::Status admitted = reservation->Grow(passing_bytes + matrix_bytes + statistics_bytes, "the parsed request");
  if (!admitted.ok()) return admitted;
  absl::Status status = reception.handling.convert(&reader);
  reservation->Shrink(passing_bytes);
  return status;
}

}  // namespace

void ReceiveWire(grpc::ByteBuffer message, WireHandling handling, Compute* compute, Admission::Reservation* reservation,
                 const Cancellation* cancellation) {
  const int64_t bytes = static_cast<int64_t>(message.Length());
  auto reception = std::make_shared<Reception>(std::move(message), std::move(handling));
  if (bytes <= kMaxInlineBytes) {
    const absl::StatusOr<bool> complete = reception->reader.Advance(std::numeric_limits<int64_t>::max());
    return reception->handling.done(complete.ok() ? Convert(*reception, reservation) : complete.status());
  }

  const auto read_on = [cancellation, reception](int64_t, int64_t) {
    if (reception->complete) return absl::OkStatus();
    if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    const absl::StatusOr<bool> complete = reception->reader.Advance(kStepBytes);
    reception->complete = complete.ok() && *complete;
    return complete.status();
  };
  Job job;
  job.phases.push_back({1, bytes / kStepBytes + 2, read_on});
  compute->Submit(std::move(job), cancellation, [reception, reservation](absl::Status status, Timing) {
    reception->handling.done(status.ok() ? Convert(*reception, reservation) : std::move(status));
  });
}

}  // namespace favor
