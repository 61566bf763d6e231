#ifndef FAVOR_SERVER_EXECUTION_ATTEND_EXECUTION_H_
#define FAVOR_SERVER_EXECUTION_ATTEND_EXECUTION_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "favor/attention/cost_model.h"
#include "favor/base/cancellation.h"
#include "server/execution/admission.h"
#include "server/execution/attend_work.h"
#include "server/execution/compute.h"
#include "server/execution/live_measurement.h"
#include "server/execution/projection_draws.h"

namespace favor {

// Takes Attend calls from typed work to an output: the projection, room for the output and the scratch memory, the
// attention job, and where its error is to be measured the job of the exact rows. Where a bound of the error is to be
// kept, the jobs of AutoAttention, one after the other. Thread-safe.
class AttendExecution {
 public:
  // Owns neither; both must outlive the calls under way. `costs` is what ways to keep a bound are compared by, `live`
  // which calls are measured without having asked for it.
  AttendExecution(Compute* compute, ProjectionDraws* draws, const CostModel& costs = {},
                  LiveMeasurement::Options live = {})
      : compute_(compute),
        draws_(draws),
        costs_(costs),
        live_(std::make_unique<LiveMeasurement>(std::move(live), compute)) {}

  using Done = std::function<void(absl::StatusOr<AttendResult>)>;

  // Never blocks. `done` runs once: on a compute or drawing thread, or on the caller's when the work is refused or
  // empty.
  // `reservation` holds what the work already uses, grows by what its execution needs, and lives, as `cancellation`
  // does, until the caller of `done` drops it.
  void Start(AttendWork work, Admission::Reservation* reservation, const Cancellation* cancellation, Done done) const;

 private:
  struct Run;

  void RunAttention(std::shared_ptr<Run> run) const;
  void MeasureError(std::shared_ptr<Run> run) const;
  void BeginAutomatic(std::shared_ptr<Run> run) const;
  void ContinueAutomatic(std::shared_ptr<Run> run) const;

  Compute* const compute_;
  ProjectionDraws* const draws_;
  const CostModel costs_;
  const std::unique_ptr<LiveMeasurement> live_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_ATTEND_EXECUTION_H_
