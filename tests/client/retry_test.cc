#include "client/transport/retry.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "client/errors.h"
#include "google/rpc/error_details.pb.h"

namespace favor::client {
namespace {

const RetryOptions kOptions = {
    .max_retries = 4, .initial_backoff = absl::Milliseconds(100), .max_backoff = absl::Milliseconds(300)};

absl::Status WithRetryInfo(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  info.mutable_retry_delay()->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(delay) % 1'000'000'000));
  status.SetPayload("type.googleapis.com/google.rpc.RetryInfo", absl::Cord(info.SerializeAsString()));
  return status;
}

TEST(DelayBeforeRetry, DoublesUpToTheBound) {
  const absl::Status status = absl::UnavailableError("");
  EXPECT_EQ(DelayBeforeRetry(kOptions, status, 0, 1.0), absl::Milliseconds(100));
  EXPECT_EQ(DelayBeforeRetry(kOptions, status, 1, 1.0), absl::Milliseconds(200));
  EXPECT_EQ(DelayBeforeRetry(kOptions, status, 2, 1.0), absl::Milliseconds(300));
  EXPECT_EQ(DelayBeforeRetry(kOptions, status, 3, 1.0), absl::Milliseconds(300));
  EXPECT_EQ(DelayBeforeRetry(kOptions, status, 4, 1.0), std::nullopt);
}

TEST(DelayBeforeRetry, IsSpreadOverHalfOfItself) {
  EXPECT_EQ(DelayBeforeRetry(kOptions, absl::UnavailableError(""), 0, 0.0), absl::Milliseconds(50));
}

TEST(DelayBeforeRetry, OnlyUnavailableAndCancelledAreRetried) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "");
    EXPECT_EQ(DelayBeforeRetry(kOptions, status, 0, 0.5).has_value(),
              absl::IsUnavailable(status) || absl::IsCancelled(status))
        << status;
  }
}

TEST(DelayBeforeRetry, ExhaustedIsRetriedWhenTheServerSaysWhen) {
  const absl::Status status = WithRetryInfo(absl::ResourceExhaustedError(""), absl::Milliseconds(2300));
  EXPECT_EQ(RetryDelayOf(status), absl::Milliseconds(2300));
  EXPECT_EQ(DelayBeforeRetry(kOptions, status, 0, 1.0), absl::Milliseconds(2400));
  EXPECT_EQ(DelayBeforeRetry(kOptions, WithRetryInfo(absl::InternalError(""), absl::Seconds(1)), 0, 1.0), std::nullopt);
}

TEST(RunWithRetries, CallsUntilItSucceeds) {
  const RetryOptions quick = {.max_retries = 5, .initial_backoff = absl::Microseconds(10)};
  int num_attempts = 0;
  const auto attempt = [&] { return num_attempts < 3 ? absl::UnavailableError("not yet") : absl::OkStatus(); };
  EXPECT_TRUE(RunWithRetries(quick, absl::InfiniteFuture(), attempt, &num_attempts).ok());
  EXPECT_EQ(num_attempts, 3);
}

TEST(RunWithRetries, GivesUpWhenTheWaitWouldPassTheDeadline) {
  const RetryOptions slow = {.max_retries = 5, .initial_backoff = absl::Hours(1), .max_backoff = absl::Hours(1)};
  int num_attempts = 0;
  const absl::Status status = RunWithRetries(
      slow, absl::Now() + absl::Minutes(1), [] { return absl::UnavailableError("down"); }, &num_attempts);
  EXPECT_EQ(status, absl::UnavailableError("down"));
  EXPECT_EQ(num_attempts, 1);
}

}  // namespace
}  // namespace favor::client
