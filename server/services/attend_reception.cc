#include "server/services/attend_reception.h"

#include <limits>
#include <utility>

#include "server/convert/attend_request_conversion.h"
#include "server/convert/attend_wire_reader.h"
#include "server/rpc/byte_buffer_source.h"

namespace favor {
namespace {

// Up to this size reading takes some 20 us, less than a way through the pool. 16 tokens of 8 heads of 64 are 96 KiB.
constexpr int64_t kMaxInlineBytes = 128 << 10;
// A step of the pool: a fraction of a millisecond.
constexpr int64_t kStepBytes = 1 << 20;

struct Reception {
  explicit Reception(grpc::ByteBuffer request) : source(std::move(request)), reader(&source) {}

  ByteBufferSource source;
  AttendWireReader reader;
  bool complete = false;
};

// What Protobuf makes of the skeleton, and what a projection makes of a matrix (widened to float32, then copied), is
// admitted before it is made.
absl::StatusOr<AttendWork> Convert(Reception& reception, Admission::Reservation* reservation) {
  const AttendWireReader& reader = reception.reader;
  const int64_t matrix_bytes = reader.lifted_bytes(LiftedTensor::kMatrix);
  const int64_t passing_bytes =
      reader.skeleton_bytes() * AttendWireReader::kParsedBytesPerSkeletonByte + 3 * matrix_bytes;
  absl::Status admitted = reservation->Grow(passing_bytes + matrix_bytes, "the parsed request");
  if (!admitted.ok()) return admitted;
  absl::StatusOr<AttendMessage> message = reception.reader.Finish();
  absl::StatusOr<AttendWork> work = message.ok() ? ToAttendWork(*std::move(message)) : message.status();
  reservation->Shrink(passing_bytes);
  return work;
}

}  // namespace

void ReceiveAttend(std::shared_ptr<UnaryCall> call, Compute* compute, Admission::Reservation* reservation,
                   std::function<void(absl::StatusOr<AttendWork>)> done) {
  const int64_t bytes = call->request_bytes();
  auto reception = std::make_shared<Reception>(call->TakeRequest());
  if (bytes <= kMaxInlineBytes) {
    const absl::StatusOr<bool> complete = reception->reader.Advance(std::numeric_limits<int64_t>::max());
    return done(complete.ok() ? Convert(*reception, reservation) : complete.status());
  }

  const auto read_on = [call, reception](int64_t, int64_t) {
    if (reception->complete) return absl::OkStatus();
    if (absl::Status status = call->cancellation()->Check(); !status.ok()) return status;
    const absl::StatusOr<bool> complete = reception->reader.Advance(kStepBytes);
    reception->complete = complete.ok() && *complete;
    return complete.status();
  };
  Job job;
  job.phases.push_back({1, bytes / kStepBytes + 2, read_on});
  compute->Submit(std::move(job), call->cancellation(),
                  [reception, reservation, done = std::move(done)](absl::Status status, Timing) {
                    done(status.ok() ? Convert(*reception, reservation) : std::move(status));
                  });
}

}  // namespace favor
