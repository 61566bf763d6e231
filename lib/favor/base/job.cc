#include "favor/base/job.h"

namespace favor {

absl::Status RunInline(const Job& job) {
  for (const Phase& phase : job.phases) {
    for (int64_t chain = 0; chain < phase.num_chains; ++chain) {
      for (int64_t step = 0; step < phase.steps_per_chain; ++step) {
        absl::Status status = phase.run_step(chain, step);
        if (!status.ok()) return status;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace favor
