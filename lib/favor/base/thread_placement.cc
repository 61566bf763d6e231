#include "favor/base/thread_placement.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

namespace favor {

void ThreadPlacement::Attach() { thread_ = static_cast<pid_t>(syscall(SYS_gettid)); }

void ThreadPlacement::Spread(absl::Span<ThreadPlacement* const> sleeping,
                             absl::Span<const ThreadPlacement* const> running) {
  if (sleeping.size() + running.size() < 2) return;
  cpu_set_t allowed;  // to one, hence to all
  if (sleeping.empty() || sched_getaffinity(sleeping[0]->thread_, sizeof(allowed), &allowed) != 0) return;
  cpu_set_t free = allowed;
  for (const ThreadPlacement* other : running) {
    if (other->cpu_ >= 0) CPU_CLR(other->cpu_, &free);
  }
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &free)) cpus.push_back(cpu);
  }
  if (cpus.size() < sleeping.size()) return;
  // Neighbouring CPUs to each: the scheduler knows best which of them is idle.
  for (size_t i = 0; i < sleeping.size(); ++i) {
    cpu_set_t own;
    CPU_ZERO(&own);
    const size_t first = i * cpus.size() / sleeping.size(), end = (i + 1) * cpus.size() / sleeping.size();
    for (size_t j = first; j < end; ++j) CPU_SET(cpus[j], &own);
    ThreadPlacement* thread = sleeping[i];
    thread->allowed_ = allowed;
    thread->confined_ = sched_setaffinity(thread->thread_, sizeof(own), &own) == 0;
    thread->cpu_ = end - first == 1 ? cpus[first] : -1;
  }
}

void ThreadPlacement::Release() {
  if (confined_) sched_setaffinity(0, sizeof(allowed_), &allowed_);
  confined_ = false;
}

}  // namespace favor
