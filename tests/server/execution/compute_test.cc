#include "server/execution/compute.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "server/execution/queue_wait.h"

namespace favor {
namespace {

Job OneStep(std::function<absl::Status()> step) {
  Job job;
  job.phases.push_back({1, 1, [step](int64_t, int64_t) { return step(); }});
  return job;
}

TEST(QueueWait, OfOtherErrorsNothingIsTold) {
  EXPECT_EQ(QueueWaitOf(WithQueueWait(absl::CancelledError("gone"), absl::Milliseconds(1500))), absl::Seconds(1.5));
  EXPECT_EQ(QueueWaitOf(WithQueueWait(absl::InternalError("ours"), absl::Seconds(1))), std::nullopt);
  EXPECT_EQ(QueueWaitOf(WithQueueWait(absl::OkStatus(), absl::Seconds(1))), std::nullopt);
}

TEST(Compute, DropsWorkWhoseCallerLeftWhileItWaited) {
  Compute compute(1);
  absl::Notification release;
  absl::Notification blocked;
  Cancellation none;
  compute.Submit(OneStep([&] {
                   blocked.Notify();
                   release.WaitForNotification();
                   return absl::OkStatus();
                 }),
                 &none, [](absl::Status, Timing) {});
  blocked.WaitForNotification();

  Cancellation gone;
  std::atomic<bool> ran = false;
  absl::Status status;
  absl::Notification done;
  compute.Submit(OneStep([&] {
                   ran = true;
                   return absl::OkStatus();
                 }),
                 &gone, [&](absl::Status result, Timing) {
                   status = result;
                   done.Notify();
                 });
  gone.Cancel();
  release.Notify();
  done.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_GT(QueueWaitOf(status).value_or(absl::ZeroDuration()), absl::ZeroDuration());
  EXPECT_FALSE(ran);
}

TEST(Compute, DropsExpiredWork) {
  Compute compute(1);
  const Cancellation expired(absl::Now() - absl::Seconds(1));
  absl::Status status;
  absl::Notification done;
  compute.Submit(OneStep([] { return absl::InternalError("ran"); }), &expired, [&](absl::Status result, Timing) {
    status = result;
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

TEST(Compute, TellsWaitingFromComputing) {
  Compute compute(1);
  const Cancellation none;
  absl::Notification release;
  absl::Notification blocked;
  compute.Submit(OneStep([&] {
                   blocked.Notify();
                   release.WaitForNotification();
                   return absl::OkStatus();
                 }),
                 &none, [](absl::Status, Timing) {});
  blocked.WaitForNotification();
  const absl::Time submitted = absl::Now();
  absl::Time released;
  Timing timing;
  absl::Notification done;
  compute.Submit(OneStep([] { return absl::OkStatus(); }), &none, [&](absl::Status, Timing result) {
    timing = result;
    done.Notify();
  });
  released = absl::Now();
  release.Notify();
  done.WaitForNotification();
  EXPECT_GE(timing.queue_time, released - submitted - absl::Milliseconds(1));  // the clock may be set meanwhile
  EXPECT_GE(timing.compute_time, absl::ZeroDuration());
}

TEST(Compute, PassesOnTheErrorOfAStep) {
  Compute compute(2);
  const Cancellation none;
  absl::Notification done;
  absl::Status status;
  compute.Submit(OneStep([] { return absl::InvalidArgumentError("keys"); }), &none, [&](absl::Status result, Timing) {
    status = result;
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_EQ(status, absl::InvalidArgumentError("keys"));
}

}  // namespace
}  // namespace favor
