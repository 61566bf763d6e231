#include "favor/base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace favor {
namespace {

Job SingleStep(std::function<absl::Status()> step) {
  return {{{1, 1, [step = std::move(step)](int64_t, int64_t) { return step(); }}}};
}

TEST(ThreadPool, RunsEveryStepOnceInOrderWithinItsChain) {
  constexpr int64_t kChains = 37, kSteps = 11;
  ThreadPool pool(4);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<std::atomic<int64_t>> next_step(kChains);
    std::atomic<int> out_of_order{0};
    Job job{{{kChains, kSteps, [&](int64_t chain, int64_t step) {
                // Steps of a chain never run at once, so reading and writing in two parts shows any overlap.
                if (next_step[chain].load() != step) ++out_of_order;
                next_step[chain].store(step + 1);
                return absl::OkStatus();
              }}}};
    EXPECT_TRUE(pool.Run(std::move(job)).ok());
    EXPECT_EQ(out_of_order, 0);
    for (const auto& steps : next_step) EXPECT_EQ(steps, kSteps);
  }
}

TEST(ThreadPool, StartsAPhaseOnlyAfterThePreviousHasEnded) {
  ThreadPool pool(4);
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::atomic<int> first{0}, second{0};
    std::atomic<bool> early{false};
    Job job{{{7, 3, [&](int64_t, int64_t) { return ++first, absl::OkStatus(); }},
             {0, 5, [&](int64_t, int64_t) { return absl::InternalError("a phase without chains ran"); }},
             {5, 0, [&](int64_t, int64_t) { return absl::InternalError("a phase without steps ran"); }},
             {9, 1, [&](int64_t, int64_t) {
                if (first != 21) early = true;
                return ++second, absl::OkStatus();
              }}}};
    EXPECT_EQ(pool.Run(std::move(job)), absl::OkStatus());
    EXPECT_FALSE(early);
    EXPECT_EQ(second, 9);
  }
}

TEST(ThreadPool, AChainThatStillRunsHoldsBackTheNextPhase) {
  ThreadPool pool(2);
  absl::Notification release, other_chain_ran, finished;
  std::atomic<bool> second_phase{false};
  pool.Submit({{{2, 1,
                 [&](int64_t chain, int64_t) {
                   if (chain == 0) {
                     release.WaitForNotification();
                   } else {
                     other_chain_ran.Notify();
                   }
                   return absl::OkStatus();
                 }},
                {1, 1, [&](int64_t, int64_t) { return second_phase = true, absl::OkStatus(); }}}},
              [&](absl::Status) { finished.Notify(); });
  other_chain_ran.WaitForNotification();
  // Jobs take turns: had the end of chain 1 started the next phase, it would run before the second of these at latest.
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(pool.Run(Job()).ok());
  EXPECT_FALSE(second_phase);
  release.Notify();
  finished.WaitForNotification();
  EXPECT_TRUE(second_phase);
}

TEST(ThreadPool, AnEmptyJobIsDoneOnAPoolThread) {
  ThreadPool pool(2);
  for (Job job : {Job(), Job{{{0, 1, nullptr}, {1, 0, nullptr}}}}) {
    std::thread::id caller = std::this_thread::get_id(), runner = caller;
    absl::Notification finished;
    absl::Status result = absl::InternalError("not called");
    pool.Submit(std::move(job), [&](absl::Status status) {
      result = status;
      runner = std::this_thread::get_id();
      finished.Notify();
    });
    finished.WaitForNotification();
    EXPECT_TRUE(result.ok());
    EXPECT_NE(runner, caller);
  }
}

TEST(ThreadPool, NeverHasMoreChainsOfAJobUnderWayThanThreads) {
  constexpr int kThreads = 3;
  ThreadPool pool(kThreads);
  std::atomic<int> under_way{0}, most{0};
  auto count = [&](int64_t, int64_t step) {
    if (step == 0) {
      const int now = ++under_way;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
    }
    if (step == 4) --under_way;
    return absl::OkStatus();
  };
  // A second job takes turns with it, so chains pause with other work in between.
  absl::Notification finished;
  pool.Submit({{{500, 5, [](int64_t, int64_t) { return absl::OkStatus(); }}}},
              [&](absl::Status) { finished.Notify(); });
  EXPECT_TRUE(pool.Run({{{500, 5, count}}}).ok());
  finished.WaitForNotification();
  EXPECT_LE(most, kThreads);
  EXPECT_EQ(under_way, 0);
}

TEST(ThreadPool, ContinuesAStartedChainBeforeItStartsAnother) {
  ThreadPool pool(1);
  std::vector<int64_t> chains;
  EXPECT_TRUE(
      pool.Run({{{3, 3, [&](int64_t chain, int64_t) { return chains.push_back(chain), absl::OkStatus(); }}}}).ok());
  EXPECT_THAT(chains, testing::ElementsAre(0, 0, 0, 1, 1, 1, 2, 2, 2));
}

void SpinFor(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

// Steps of so long each, counted.
Job Spinning(int64_t chains, int64_t steps, std::chrono::microseconds time, std::atomic<int>* count) {
  return {{{chains, steps, [=](int64_t, int64_t) {
              SpinFor(time);
              ++*count;
              return absl::OkStatus();
            }}}};
}

// Holds the only thread of a pool until it goes.
class Hold {
 public:
  explicit Hold(ThreadPool* pool) {
    pool->Submit(SingleStep([this] { return release_.WaitForNotification(), absl::OkStatus(); }),
                 [this](absl::Status) { ended_.Notify(); });
  }
  ~Hold() {
    release_.Notify();
    ended_.WaitForNotification();
  }

 private:
  absl::Notification release_, ended_;
};

TEST(ThreadPool, SharesTimeAmongJobsEvenlyHoweverLongTheirStepsAre) {
  std::atomic<int> quick{0}, slow{0};
  int quick_then = 0;
  {
    ThreadPool pool(1);
    const Hold hold(&pool);
    pool.Submit(Spinning(3, 200, std::chrono::microseconds(500), &quick), [](absl::Status) {});
    pool.Submit(Spinning(1, 20, std::chrono::microseconds(5000), &slow), [&](absl::Status) { quick_then = quick; });
  }
  // As much time as 20 steps of ten times the length is 200, as many steps 20; others may use the core too.
  EXPECT_GE(quick_then, 80);
  EXPECT_LE(quick_then, 500);
  EXPECT_EQ(quick, 600);
}

TEST(ThreadPool, AShortJobWaitsForSomeStepsHoweverManyLongOnesThereAre) {
  std::atomic<int> long_steps{0}, short_steps{0};
  int steps_before = 0, steps_after = 0;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 16; ++i) {
      pool.Submit(Spinning(1, 20, std::chrono::microseconds(1000), &long_steps), [](absl::Status) {});
    }
    while (long_steps < 40) SpinFor(std::chrono::microseconds(100));
    steps_before = long_steps;
    // Eight heads of a short call.
    pool.Submit(Spinning(8, 1, std::chrono::microseconds(20), &short_steps),
                [&](absl::Status) { steps_after = long_steps; });
  }
  EXPECT_EQ(short_steps, 8);
  EXPECT_LE(steps_after - steps_before, 40);  // one step for each head from every job would be 128
}

TEST(ThreadPool, ShortJobsWithoutEndLeaveTimeToALongOne) {
  std::atomic<int> long_steps{0}, short_steps{0};
  std::atomic<bool> stop{false};
  int shorts_before_end = 0;
  std::function<void(absl::Status)> again;
  {
    ThreadPool pool(1);
    again = [&](absl::Status) {
      if (!stop) pool.Submit(Spinning(1, 1, std::chrono::microseconds(500), &short_steps), again);
    };
    const Hold hold(&pool);
    for (int i = 0; i < 4; ++i) again(absl::OkStatus());
    pool.Submit(Spinning(1, 20, std::chrono::microseconds(1000), &long_steps), [&](absl::Status) {
      shorts_before_end = short_steps;
      stop = true;
    });
  }
  EXPECT_EQ(long_steps, 20);
  EXPECT_LE(shorts_before_end, 20 * 100);  // 200 where nobody else has the core
}

// As after a stop of the process: what its first step took by the clock is not held against the long job.
TEST(ThreadPool, AJobWhoseStepWasStoppedIsNotLeftWaitingForIt) {
  std::atomic<int> short_steps{0};
  std::atomic<bool> stop{false};
  int shorts_before_end = 0;
  std::function<void(absl::Status)> again;
  {
    ThreadPool pool(1);
    again = [&](absl::Status) {
      if (!stop) pool.Submit(Spinning(1, 1, std::chrono::microseconds(100), &short_steps), again);
    };
    const Hold hold(&pool);
    pool.Submit(Job{{{1, 2,
                      [](int64_t, int64_t step) {
                        if (step == 0) std::this_thread::sleep_for(std::chrono::milliseconds(500));
                        return absl::OkStatus();
                      }}}},
                [&](absl::Status) {
                  shorts_before_end = short_steps;
                  stop = true;
                });
    for (int i = 0; i < 4; ++i) again(absl::OkStatus());
  }
  EXPECT_LE(shorts_before_end, 1000);  // some 200 with the charge, 5,000 with all that the clock says
}

// Steps of a tenth of a millisecond that note whose they are.
Job Noting(
    Priority priority, int64_t num_steps, std::vector<Priority>* turns,
    std::function<void(int64_t)> before = [](int64_t) {}) {
  Job job{{{1, num_steps, [=](int64_t, int64_t step) {
              before(step);
              SpinFor(std::chrono::microseconds(100));
              turns->push_back(priority);
              return absl::OkStatus();
            }}}};
  job.priority = priority;
  return job;
}

TEST(ThreadPool, GivesUrgentJobsMoreTimeAndStarvesNobody) {
  std::vector<Priority> turns;
  {
    ThreadPool pool(1);
    const Hold hold(&pool);
    const auto submit = [&](Priority priority) {
      pool.Submit(Noting(priority, 500, &turns), [](const absl::Status&) {});
    };
    // Many urgent jobs do not make it worse for the others.
    submit(Priority::kLow);
    for (int i = 0; i < 3; ++i) submit(Priority::kNormal);
    for (int i = 0; i < 10; ++i) submit(Priority::kHigh);
  }
  const auto among_the_first = [&turns](Priority priority) {
    return std::count(turns.begin(), turns.begin() + 1050, priority);
  };
  // 800, 200 and 50 where nobody else has the core.
  EXPECT_GE(among_the_first(Priority::kHigh), 500);
  EXPECT_GE(among_the_first(Priority::kNormal), 50);
  EXPECT_GE(among_the_first(Priority::kLow), 3);
  EXPECT_LE(among_the_first(Priority::kLow), 200);
}

TEST(ThreadPool, TimeNotAskedForIsNotSavedUp) {
  std::vector<Priority> turns;
  {
    ThreadPool pool(1);
    // Low priority comes when normal work has had three thousand turns, and must not make up for them now.
    pool.Submit(Noting(Priority::kNormal, 3500, &turns,
                       [&](int64_t step) {
                         if (step == 3000) pool.Submit(Noting(Priority::kLow, 200, &turns), [](const absl::Status&) {});
                       }),
                [](const absl::Status&) {});
  }
  EXPECT_LE(std::count(turns.begin() + 3000, turns.begin() + 3200, Priority::kLow), 150);  // 40 of 200, not all
}

TEST(ThreadPool, ReportsTheFirstErrorOnceAndRunsNoFurtherSteps) {
  ThreadPool pool(4);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::atomic<int> started{0}, running{0}, times_done{0}, running_when_done{-1};
    std::atomic<bool> later_phase{false};
    Job job{{{1000, 3,
              [&](int64_t chain, int64_t) -> absl::Status {
                ++running;
                ++started;
                const bool fails = chain >= 5;
                --running;
                if (fails) return absl::DataLossError("broken");
                return absl::OkStatus();
              }},
             {1, 1, [&](int64_t, int64_t) {
                later_phase = true;
                return absl::OkStatus();
              }}}};
    absl::Notification finished;
    absl::Status result;
    pool.Submit(std::move(job), [&](absl::Status status) {
      running_when_done = running.load();
      ++times_done;
      result = status;
      finished.Notify();
    });
    finished.WaitForNotification();
    EXPECT_EQ(result, absl::DataLossError("broken"));
    EXPECT_EQ(running_when_done, 0);
    EXPECT_FALSE(later_phase);
    // 5 good chains of 3 steps, and at most one failing step per thread.
    EXPECT_LE(started, 15 + 4);
    EXPECT_EQ(pool.Run(Job()), absl::OkStatus());
    EXPECT_EQ(times_done, 1);
  }
}

TEST(ThreadPool, AnErrorOfOneJobLeavesOthersAlone) {
  ThreadPool pool(2);
  std::atomic<int> steps{0};
  absl::Notification finished;
  pool.Submit({{{50, 4, [&](int64_t, int64_t) { return ++steps, absl::OkStatus(); }}}}, [&](absl::Status status) {
    EXPECT_TRUE(status.ok());
    finished.Notify();
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(pool.Run({{{5, 2, [](int64_t, int64_t) { return absl::InternalError("mine"); }}}}).ok());
  }
  finished.WaitForNotification();
  EXPECT_EQ(steps, 200);
}

TEST(ThreadPool, DestroysTheJobBeforeItCallsDone) {
  ThreadPool pool(2);
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watch = owned;
  absl::Notification finished;
  bool gone = false;
  Job job{{{2, 2, [owned](int64_t, int64_t) { return absl::OkStatus(); }}}};
  owned.reset();
  pool.Submit(std::move(job), [&](absl::Status) {
    gone = watch.expired();
    finished.Notify();
  });
  finished.WaitForNotification();
  EXPECT_TRUE(gone);
}

TEST(ThreadPool, UsesAllItsThreadsForOneJob) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  // Again and again, since threads that have just started need no waking.
  for (int repeat = 0; repeat < 100; ++repeat) {
    // Ends only if kThreads steps run at the same time: each waits until all of them have started.
    std::latch all_started(kThreads);
    EXPECT_TRUE(pool.Run({{{kThreads, 1,
                            [&](int64_t, int64_t) {
                              all_started.arrive_and_wait();
                              return absl::OkStatus();
                            }}}})
                    .ok());
  }
}

TEST(ThreadPool, WakesAThreadForAJobThatArrivesWhileOthersRun) {
  ThreadPool pool(2);
  absl::Notification release, holding, finished;
  pool.Submit(SingleStep([&] {
                holding.Notify();
                release.WaitForNotification();
                return absl::OkStatus();
              }),
              [&](absl::Status) { finished.Notify(); });
  holding.WaitForNotification();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(pool.Run(SingleStep([] { return absl::OkStatus(); })).ok());
  release.Notify();
  finished.WaitForNotification();
}

TEST(ThreadPool, FinishesSubmittedJobsBeforeItIsDestroyed) {
  std::atomic<int> steps{0}, done{0};
  {
    ThreadPool pool(3);
    for (int i = 0; i < 100; ++i) {
      pool.Submit({{{3, 2, [&](int64_t, int64_t) { return ++steps, absl::OkStatus(); }}}},
                  [&](absl::Status) { ++done; });
    }
  }
  EXPECT_EQ(steps, 600);
  EXPECT_EQ(done, 100);
}

TEST(ThreadPool, RunsAJobThatDoneSubmitsEvenWhileBeingDestroyed) {
  std::atomic<bool> second_done{false};
  {
    ThreadPool pool(2);
    pool.Submit(Job(), [&](absl::Status) {
      pool.Submit(SingleStep([] { return absl::OkStatus(); }), [&](absl::Status) { second_done = true; });
    });
  }
  EXPECT_TRUE(second_done);
}

TEST(ThreadPool, CountsJobsUntilTheyAreDone) {
  ThreadPool pool(1);
  EXPECT_EQ(pool.num_jobs(), 0);
  absl::Notification release;
  pool.Submit(SingleStep([&] { return release.WaitForNotification(), absl::OkStatus(); }), [](absl::Status) {});
  pool.Submit(Job(), [](absl::Status) {});
  EXPECT_EQ(pool.num_jobs(), 2);
  release.Notify();
  EXPECT_TRUE(pool.Run(Job()).ok());
  EXPECT_EQ(pool.num_jobs(), 0);
}

TEST(ThreadPool, WithoutThreadsRunsOnTheCaller) {
  ThreadPool pool(0);
  EXPECT_EQ(pool.num_threads(), 0);
  std::thread::id runner;
  EXPECT_TRUE(pool.Run(SingleStep([&] { return runner = std::this_thread::get_id(), absl::OkStatus(); })).ok());
  EXPECT_EQ(runner, std::this_thread::get_id());
  EXPECT_EQ(pool.num_jobs(), 0);
}

TEST(ThreadPool, ManySubmittersAtOnceLoseNothing) {
  constexpr int kSubmitters = 4, kJobs = 200;
  ThreadPool pool(3);
  std::atomic<int> steps{0};
  std::vector<std::thread> submitters;
  for (int s = 0; s < kSubmitters; ++s) {
    submitters.emplace_back([&] {
      for (int i = 0; i < kJobs; ++i) {
        const absl::Status status =
            pool.Run({{{i % 4, 2, [&](int64_t, int64_t) { return ++steps, absl::OkStatus(); }},
                       {1, i % 3, [&](int64_t, int64_t) { return ++steps, absl::OkStatus(); }}}});
        EXPECT_TRUE(status.ok());
      }
    });
  }
  for (std::thread& submitter : submitters) submitter.join();
  int expected = 0;
  for (int i = 0; i < kJobs; ++i) expected += (i % 4) * 2 + i % 3;
  EXPECT_EQ(steps, kSubmitters * expected);
}

}  // namespace
}  // namespace favor
