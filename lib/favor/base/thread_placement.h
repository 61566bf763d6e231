#ifndef FAVOR_BASE_THREAD_PLACEMENT_H_
#define FAVOR_BASE_THREAD_PLACEMENT_H_

#include <sched.h>
#include <sys/types.h>

#include "absl/types/span.h"

namespace favor {

// On which CPUs a thread wakes. Linux wakes a thread on an idle CPU, but takes one that a hypervisor has halted for a
// busy one: two threads of a virtual machine that are woken together start on one CPU, and share it for milliseconds
// until the scheduler looks. So whoever wakes them tells them apart; once they run, they may go anywhere again.
//
// Not thread-safe. Where the system refuses, threads wake where it likes.
class ThreadPlacement {
 public:
  // By the thread itself, before all else.
  void Attach();
  // By the thread itself: notes where it runs.
  void NoteCpu() { cpu_ = sched_getcpu(); }

  // By the waker, while the threads sleep: each wakes on CPUs of its own, none on those that `running` ones have noted.
  // Where there are not as many CPUs, anywhere.
  static void Spread(absl::Span<ThreadPlacement* const> sleeping, absl::Span<const ThreadPlacement* const> running);

  // By the thread itself when it is awake, before it runs anything that may start threads, and before it sleeps again.
  void Release();

 private:
  pid_t thread_ = 0;
  int cpu_ = -1;  // the last that is known
  bool confined_ = false;
  cpu_set_t allowed_;  // before it was confined
};

}  // namespace favor

#endif  // FAVOR_BASE_THREAD_PLACEMENT_H_
