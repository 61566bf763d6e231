#include "favor/base/thread_placement.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "favor/base/thread_pool.h"

namespace favor {
namespace {

int NumCpus(const cpu_set_t& set) { return CPU_COUNT(&set); }

bool Equal(const cpu_set_t& a, const cpu_set_t& b) { return CPU_EQUAL(&a, &b); }

cpu_set_t Allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  return set;
}

// A thread that sleeps in the hands of a test.
class Sleeper {
 public:
  Sleeper() : thread_([this] { Run(); }) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&attached_));
  }
  ~Sleeper() { thread_.join(); }

  ThreadPlacement* placement() { return &placement_; }
  // CPUs it may wake on, and those it may run on when it has been released.
  std::pair<cpu_set_t, cpu_set_t> Wake() {
    absl::MutexLock lock(&mutex_);
    woken_ = true;
    mutex_.Await(absl::Condition(&done_));
    return {before_, after_};
  }

 private:
  void Run() {
    absl::MutexLock lock(&mutex_);
    placement_.Attach();
    attached_ = true;
    mutex_.Await(absl::Condition(&woken_));
    before_ = Allowed();
    placement_.Release();
    after_ = Allowed();
    done_ = true;
  }

  absl::Mutex mutex_;
  ThreadPlacement placement_;
  bool attached_ = false, woken_ = false, done_ = false;
  cpu_set_t before_, after_;
  std::thread thread_;
};

TEST(ThreadPlacement, SleepingThreadsGetCpusOfTheirOwnUntilTheyAreReleased) {
  const cpu_set_t all = Allowed();
  if (NumCpus(all) < 2) GTEST_SKIP() << "one CPU";
  Sleeper one, other;
  ThreadPlacement::Spread({one.placement(), other.placement()}, {});
  const auto [one_before, one_after] = one.Wake();
  const auto [other_before, other_after] = other.Wake();
  cpu_set_t both, either;
  CPU_AND(&both, &one_before, &other_before);
  CPU_OR(&either, &one_before, &other_before);
  EXPECT_EQ(NumCpus(both), 0);
  EXPECT_TRUE(Equal(either, all));
  EXPECT_TRUE(Equal(one_after, all));
  EXPECT_TRUE(Equal(other_after, all));
}

TEST(ThreadPlacement, ASleepingThreadKeepsOffTheCpuOfARunningOne) {
  const cpu_set_t all = Allowed();
  if (NumCpus(all) < 2) GTEST_SKIP() << "one CPU";
  ThreadPlacement running;
  running.NoteCpu();
  Sleeper sleeper;
  ThreadPlacement::Spread({sleeper.placement()}, {&running});
  const auto [before, after] = sleeper.Wake();
  EXPECT_EQ(NumCpus(before), NumCpus(all) - 1);
  EXPECT_TRUE(Equal(after, all));
}

TEST(ThreadPlacement, MoreThreadsThanCpusAndOneAloneWakeAnywhere) {
  const cpu_set_t all = Allowed();
  Sleeper alone;
  ThreadPlacement::Spread({alone.placement()}, {});
  EXPECT_TRUE(Equal(alone.Wake().first, all));

  std::vector<Sleeper> crowd(NumCpus(all) + 1);
  std::vector<ThreadPlacement*> placements;
  for (Sleeper& sleeper : crowd) placements.push_back(sleeper.placement());
  ThreadPlacement::Spread(placements, {});
  for (Sleeper& sleeper : crowd) EXPECT_TRUE(Equal(sleeper.Wake().first, all));
}

TEST(ThreadPlacement, StepsAndWhatTheyStartMayRunOnAnyCpu) {
  const cpu_set_t all = Allowed();
  ThreadPool pool(2);
  std::atomic<int> confined{0};
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));  // the workers are asleep
    std::latch both(2);
    absl::Notification finished;
    pool.Submit({{{2, 1,
                   [&](int64_t, int64_t) {
                     if (!Equal(Allowed(), all)) ++confined;
                     both.arrive_and_wait();
                     return absl::OkStatus();
                   }}}},
                [&](absl::Status) {
                  if (!Equal(Allowed(), all)) ++confined;
                  finished.Notify();
                });
    finished.WaitForNotification();
  }
  EXPECT_EQ(confined, 0);
}

}  // namespace
}  // namespace favor
