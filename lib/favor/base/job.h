#ifndef FAVOR_BASE_JOB_H_
#define FAVOR_BASE_JOB_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "favor/base/priority.h"

namespace favor {

// One parallel stage of a Job: `num_chains` independent chains of `steps_per_chain` steps each. Steps of one chain run
// in order and never at once; chains run in any order and in parallel. A step should take about a millisecond at most:
// that is the grain at which a pool shares its threads among jobs and at which work stops when it is cancelled.
struct Phase {
  int64_t num_chains = 0;
  int64_t steps_per_chain = 1;
  // Must not throw and must not block on other work. The first error ends the job; steps already running finish.
  std::function<absl::Status(int64_t chain, int64_t step)> run_step;
};

// Work for a ThreadPool: phases run one after the other. Which work belongs to which step never depends on the number
// of threads, so results do not either.
struct Job {
  std::vector<Phase> phases;
  Priority priority = Priority::kNormal;
};

// One job that does the work of several, which know nothing of each other: phase p holds the chains of every job's
// phase p, those of the first job first.
Job SideBySide(std::vector<Job> jobs);

// Runs the job on the calling thread.
absl::Status RunInline(const Job& job);

}  // namespace favor

#endif  // FAVOR_BASE_JOB_H_
