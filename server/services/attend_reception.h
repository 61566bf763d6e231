#ifndef FAVOR_SERVER_SERVICES_ATTEND_RECEPTION_H_
#define FAVOR_SERVER_SERVICES_ATTEND_RECEPTION_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "server/execution/admission.h"
#include "server/execution/attend_work.h"
#include "server/execution/compute.h"
#include "server/rpc/unary_call.h"

namespace favor {

// Reads the request of a call and turns it into work: a small one at once, a big one in steps on the compute pool, so
// that no completion queue's thread copies megabytes and no big message keeps the pool from others. `done` runs once,
// on the caller's thread or on the pool's. `compute` and `reservation` must live until then.
void ReceiveAttend(std::shared_ptr<UnaryCall> call, Compute* compute, Admission::Reservation* reservation,
                   std::function<void(absl::StatusOr<AttendWork>)> done);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_ATTEND_RECEPTION_H_
