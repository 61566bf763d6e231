#include "favor/base/job.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace favor {
namespace {

// Phases that run as one.
struct Joined {
  std::vector<Phase> phases;
  std::vector<int64_t> first_chains;  // of each phase, in the whole
};

Phase Join(std::vector<Phase> phases) {
  if (phases.size() == 1) return std::move(phases.front());
  Phase whole;
  auto joined = std::make_shared<Joined>();
  for (const Phase& phase : phases) {
    joined->first_chains.push_back(whole.num_chains);
    whole.num_chains += phase.num_chains;
    whole.steps_per_chain = std::max(whole.steps_per_chain, phase.steps_per_chain);
  }
  joined->phases = std::move(phases);
  whole.run_step = [joined](int64_t chain, int64_t step) -> absl::Status {
    const auto next = std::upper_bound(joined->first_chains.begin(), joined->first_chains.end(), chain);
    const int64_t index = next - joined->first_chains.begin() - 1;
    const Phase& phase = joined->phases[index];
    if (step >= phase.steps_per_chain) return absl::OkStatus();
    return phase.run_step(chain - joined->first_chains[index], step);
  };
  return whole;
}

}  // namespace

Job SideBySide(std::vector<Job> jobs) {
  size_t num_phases = 0;
  for (const Job& job : jobs) num_phases = std::max(num_phases, job.phases.size());
  Job whole;
  for (size_t p = 0; p < num_phases; ++p) {
    std::vector<Phase> phases;
    for (Job& job : jobs) {
      if (p < job.phases.size() && job.phases[p].num_chains > 0) phases.push_back(std::move(job.phases[p]));
    }
    if (!phases.empty()) whole.phases.push_back(Join(std::move(phases)));
  }
  return whole;
}

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
