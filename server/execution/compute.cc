#include "server/execution/compute.h"

#include <memory>
#include <utility>

#include "absl/time/clock.h"

namespace favor {

void Compute::Submit(Job job, const Cancellation* cancellation, std::function<void(absl::Status, Timing)> done) {
  const absl::Time submitted = absl::Now();
  // Written by the first phase, read after the last: the pool orders the two.
  auto started = std::make_shared<absl::Time>(submitted);
  Phase gate{1, 1, [started, cancellation](int64_t, int64_t) {
               *started = absl::Now();
               return cancellation->Check();
             }};
  job.phases.insert(job.phases.begin(), std::move(gate));
  pool_.Submit(std::move(job), [submitted, started, done = std::move(done)](absl::Status status) {
    done(std::move(status), Timing{*started - submitted, absl::Now() - *started});
  });
}

}  // namespace favor
