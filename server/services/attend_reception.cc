#include "server/services/attend_reception.h"

#include <utility>

#include "server/convert/attend_request_conversion.h"
#include "server/services/wire_reception.h"

namespace favor {

void ReceiveAttend(std::shared_ptr<UnaryCall> call, Compute* compute, Admission::Reservation* reservation,
                   std::function<void(absl::StatusOr<AttendWork>)> done) {
  auto work = std::make_shared<AttendWork>();
  const Cancellation* cancellation = call->cancellation();
  grpc::ByteBuffer request = call->TakeRequest();
  ReceiveWire(std::move(request),
              {AttendWireReader::Root::kAttendRequest,
               [work](AttendWireReader* reader) {
                 absl::StatusOr<AttendMessage> message = reader->Finish();
                 if (!message.ok()) return message.status();
                 absl::StatusOr<AttendWork> converted = ToAttendWork(*std::move(message));
                 if (converted.ok()) *work = *std::move(converted);
                 return converted.status();
               },
               [call, work, done = std::move(done)](const absl::Status& status) {
                 if (!status.ok()) return done(status);
                 done(std::move(*work));
               }},
              compute, reservation, cancellation);
}

}  // namespace favor
