// Whoever has gone costs nothing more: deadlines and cancellations reach the kernels.
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {
namespace {

// The long call takes seconds on any machine; what follows a deadline or a cancellation takes milliseconds, and the
// machine may be busy with other tests.
constexpr absl::Duration kPromptly = absl::Seconds(2);

double HandledWith(const Exposition& metrics, const std::string& code) {
  return metrics.Sum("grpc_server_handled_total", {{"grpc_method", "Attend"}, {"grpc_code", code}});
}

bool IsIdle(Favord& favord) {
  const Exposition metrics = favord.Metrics();
  return metrics.Sum("favor_calls_in_flight") == 0 && metrics.Sum("favor_admitted_bytes") == 0;
}

// CPU time the server needs to be left alone for a while: none if its pool is idle.
double CpuSecondsOf(Favord& favord, absl::Duration span) {
  const double before = favord.Metrics().Sum("process_cpu_seconds_total");
  absl::SleepFor(span);
  return favord.Metrics().Sum("process_cpu_seconds_total") - before;
}

TEST(Deadline, EndsALongCallPromptlyAndFreesTheServer) {
  Favord favord;
  const v1::AttendRequest request = LongRequest();
  for (const absl::Duration deadline : {absl::Milliseconds(100), absl::Milliseconds(400)}) {
    const absl::Time start = absl::Now();
    const AttendAnswer answer = Attend(favord.channel(), request, {.deadline = deadline});
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(answer.status);
    EXPECT_LT(absl::Now() - start, deadline + kPromptly);
    EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }, kPromptly));
  }
  EXPECT_LT(CpuSecondsOf(favord, absl::Milliseconds(200)), 0.1);
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(Deadline, ThatPassesOnTheServerIsCountedAsExceeded) {
  Favord favord;
  const v1::AttendRequest request = LongRequest();
  Attend(favord.channel(), request, {.deadline = absl::Seconds(1)});
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }, kPromptly));
  const Exposition metrics = favord.Metrics();
  EXPECT_EQ(HandledWith(metrics, "DeadlineExceeded"), 1);
  EXPECT_EQ(HandledWith(metrics, "Canceled"), 0);
}

TEST(Cancellation, EndsALongCallPromptlyAndFreesTheServer) {
  Favord favord;
  grpc::ClientContext context;
  AttendAnswer answer;
  std::thread caller([&] { answer = Attend(favord.channel(), LongRequest(), {.context = &context}); });
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 1; }));
  context.TryCancel();
  caller.join();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::CANCELLED) << Describe(answer.status);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }, kPromptly));
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
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }, kPromptly));
  EXPECT_EQ(HandledWith(favord.Metrics(), "Canceled"), kCallers);
}

TEST(Cancellation, ReachesADrawOfALargeProjection) {
  Favord favord;
  v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 1, 1, 4, 4, 512, 8}, nullptr, 1));
  request.clear_spec();
  request.mutable_spec()->mutable_features()->set_num_features(65'536);  // seconds of QR
  const absl::Time start = absl::Now();
  const AttendAnswer answer = Attend(favord.channel(), request, {.deadline = absl::Milliseconds(100)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(answer.status);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }, kPromptly));
  EXPECT_LT(absl::Now() - start, kPromptly + absl::Milliseconds(100));
}

}  // namespace
}  // namespace favor::testing
