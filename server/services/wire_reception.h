#ifndef FAVOR_SERVER_SERVICES_WIRE_RECEPTION_H_
#define FAVOR_SERVER_SERVICES_WIRE_RECEPTION_H_

#include <functional>

#include "absl/status/status.h"
#include "favor/base/cancellation.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/admission.h"
#include "server/execution/compute.h"

namespace favor {

// What a message with tensors becomes.
struct WireHandling {
  AttendWireReader::Root root;  // what it is
  // Makes of the message, read to its end, what there is to do: a fraction of a millisecond, its matrices apart. For as
  // long as it runs the memory that Protobuf's and the matrices' conversion takes is admitted.
  std::function<absl::Status(AttendWireReader*)> convert;
  // Runs once, with the first error or OK, on the caller's thread or on the pool's.
  std::function<void(absl::Status)> done;
};

// Reads a message with tensors: a small one at once, a big one in steps on the compute pool, so that no completion
// queue's thread copies megabytes and no big message keeps the pool from others. `reservation`, which holds the bytes
// of the message, `compute` and `cancellation` must live until `done` has run.
void ReceiveWire(grpc::ByteBuffer message, WireHandling handling, Compute* compute, Admission::Reservation* reservation,
                 const Cancellation* cancellation);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_WIRE_RECEPTION_H_
