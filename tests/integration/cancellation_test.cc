// Whoever has gone costs nothing more: deadlines and cancellations reach the kernels.
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {
namespace {

// Of CPU time, which a machine that is busy with other tests does not stretch as it does the clock's. The long call
// takes half a minute of it; what follows a deadline or a cancellation takes milliseconds, two threads half a second
// each until the last of the deadlines here.
// A sanitizer makes every step some ten times as long, and the long call too.
constexpr double kFewSeconds = kSanitized ? 10 : 2;

double HandledWith(const Exposition& metrics, const std::string& code) {
  return metrics.Sum("grpc_server_handled_total", {{"grpc_method", "Attend"}, {"grpc_code", code}});
}

bool IsIdle(Favord& favord) {
  const Exposition metrics = favord.Metrics();
  return metrics.Sum("favor_calls_in_flight") == 0 && metrics.Sum("favor_admitted_bytes") == 0;
}

double CpuSeconds(const Favord& favord) { return favord.Metrics().Sum("process_cpu_seconds_total"); }

// CPU time the server needs to be left alone for a while: none if its pool is idle.
double CpuSecondsOf(Favord& favord, absl::Duration span) {
  const double before = CpuSeconds(favord);
  absl::SleepFor(span);
  return CpuSeconds(favord) - before;
}

TEST(Deadline, EndsALongCallPromptlyAndFreesTheServer) {
  Favord favord;
  const v1::AttendRequest request = LongRequest();
  const double before = CpuSeconds(favord);
  for (const absl::Duration deadline : {absl::Milliseconds(100), absl::Milliseconds(400)}) {
    const AttendAnswer answer = Attend(favord.channel(), request, {.deadline = deadline});
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(answer.status);
    EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  }
  EXPECT_LT(CpuSeconds(favord) - before, kFewSeconds);
  EXPECT_LT(CpuSecondsOf(favord, absl::Milliseconds(200)), 0.1);
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(Deadline, ThatPassesOnTheServerIsCountedAsExceeded) {
  Favord favord;
  // One that the server alone knows: a client's own passes there first, as the way to the server takes time, and its
  // cancellation could be there before the server's clock has got so far.
  grpc::ClientContext context;
  context.AddMetadata("grpc-timeout", "500m");
  const AttendAnswer answer =
      Attend(favord.channel(), LongRequest(), {.deadline = absl::InfiniteDuration(), .context = &context});
  EXPECT_FALSE(answer.ok());
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  const Exposition metrics = favord.Metrics();
  EXPECT_EQ(HandledWith(metrics, "DeadlineExceeded"), 1);
  EXPECT_EQ(HandledWith(metrics, "Canceled"), 0);
  EXPECT_EQ(metrics.Sum("favor_queue_wait_seconds_count"), 1) << "of those who give up waits are the longest";
}

TEST(Cancellation, EndsALongCallPromptlyAndFreesTheServer) {
  Favord favord;
  grpc::ClientContext context;
  AttendAnswer answer;
  std::thread caller([&] { answer = Attend(favord.channel(), LongRequest(), {.context = &context}); });
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 1; }));
  const double before = CpuSeconds(favord);
  context.TryCancel();
  caller.join();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::CANCELLED) << Describe(answer.status);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  EXPECT_LT(CpuSeconds(favord) - before, kFewSeconds);
  EXPECT_EQ(HandledWith(favord.Metrics(), "Canceled"), 1);
  EXPECT_LT(CpuSecondsOf(favord, absl::Milliseconds(200)), 0.1);
}

TEST(Cancellation, OfAllCallsInTheQueueLeavesNothingBehind) {
  Favord favord({.flags = {"--threads", "1"}});
  constexpr int kCallers = 8;
  const v1::AttendRequest request = LongRequest();
  std::vector<grpc::ClientContext> contexts(kCallers);
  std::vector<std::thread> callers;
  for (grpc::ClientContext& context : contexts) {
    callers.emplace_back([&] { Attend(favord.channel(), request, {.context = &context}); });
  }
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == kCallers; }));
  const double before = CpuSeconds(favord);
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  EXPECT_LT(CpuSeconds(favord) - before, kFewSeconds);
  EXPECT_EQ(HandledWith(favord.Metrics(), "Canceled"), kCallers);
}

TEST(Cancellation, ReachesADrawOfALargeProjection) {
  Favord favord;
  v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 1, 1, 4, 4, 512, 8}, nullptr, 1));
  request.clear_spec();
  request.mutable_spec()->mutable_features()->set_num_features(65'536);  // seconds of QR
  const double before = CpuSeconds(favord);
  const AttendAnswer answer = Attend(favord.channel(), request, {.deadline = absl::Milliseconds(100)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(answer.status);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  EXPECT_LT(CpuSeconds(favord) - before, kFewSeconds);
}

}  // namespace
}  // namespace favor::testing
