// No call can take more than its share: not of memory, not of time.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/busy_with.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/errors.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

// About 5 * heads * length * 64 bytes of request.
v1::AttendRequest RequestOfLength(int64_t heads, int64_t length) {
  const AttentionShape shape = {1, heads, heads, length, length, 16, 16};
  return ToRequest(GaussianCase({}, shape, nullptr, 1));
}

TEST(MessageSize, BeyondTheMaximumIsResourceExhausted) {
  Favord favord({.flags = {"--max-message-size", "64KiB"}});
  const AttendAnswer small = Attend(favord.channel(), RequestOfLength(1, 300));
  EXPECT_TRUE(small.ok()) << Describe(small.status);
  const AttendAnswer large = Attend(favord.channel(), RequestOfLength(1, 400));
  EXPECT_EQ(large.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << Describe(large.status);
  // The connection, and what is asked over it next, are none the worse.
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(MessageSize, OfAResponseThatWouldBeTooLargeIsKnownBeforeAnythingIsComputed) {
  Favord favord({.flags = {"--max-message-size", "64KiB"}});
  // One row of values seen by 32 heads of 512 queries of one coordinate: 512 times as large as the queries.
  v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 8, 1, 512, 1, 1, 512}, nullptr, 2));
  const AttendAnswer answer = Attend(favord.channel(), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("8388608"));
  EXPECT_THAT(answer.status.error_message(), HasSubstr("65536"));
}

// Messages of other services are parsed as they come: unknown fields would take forty times their bytes.
TEST(MessageSize, OfRequestsThatAreNotAdmittedIsSmall) {
  Favord favord;
  std::string unknown;
  for (int i = 0; i < 40'000; ++i) unknown += std::string("\x7a\0", 2);  // field 15, empty
  for (const char* method : {"InfoService/GetServerInfo", "ModelService/ListModels", "ModelService/LoadModel"}) {
    const std::string path = std::string("/favor.v1.") + method;
    const grpc::Status refused = CallWithBytes(favord.channel(), path, unknown).status;
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(refused);
    EXPECT_THAT(refused.error_message(), HasSubstr("the request has 80000 bytes"));
  }
  EXPECT_TRUE(CallWithBytes(favord.channel(), "/favor.v1.InfoService/GetServerInfo", unknown.substr(0, 1000)).ok());
}

// A request of 240 KB whose heads would be fitted with 2.6 GB: admission knows before any of it is there.
TEST(MemoryBudget, WhatHeadsAreFittedWithIsNotTakenBeforeItIsAdmitted) {
  Favord favord({.flags = {"--memory-budget", "1GiB"}});
  v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 20'000, 20'000, 1, 1, 1, 1}, nullptr, 3));
  request.mutable_spec()->mutable_features()->set_estimator(v1::ESTIMATOR_OPRF);
  request.mutable_spec()->mutable_features()->set_num_features(16'384);
  const AttendAnswer answer = Attend(favord.channel(), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("the scratch memory of the kernels"));
  if (MemoryIsMeasurable()) {
    EXPECT_LT(favord.PeakResidentBytes(), 400 << 20);
  }
  Favord small({.flags = {"--memory-budget", "12MiB"}});
  const AttendAnswer unplanned = Attend(small.channel(), request);
  EXPECT_THAT(unplanned.status.error_message(), HasSubstr("the plan of its heads takes 10240000 bytes"));
}

TEST(MemoryBudget, CallThatCanNeverFitIsInvalid) {
  Favord favord({.flags = {"--memory-budget", "1MiB"}});
  const AttendAnswer answer = Attend(favord.channel(), RequestOfLength(8, 1000));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("1048576"));
  EXPECT_EQ(RetryDelayOf(answer.status), std::nullopt) << "to come back is no use";
  EXPECT_EQ(favord.Metrics().Sum("favor_rejected_total", {{"reason", "too_large"}}), 1);
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
}

TEST(MemoryBudget, OutputThatCanNeverFitIsInvalid) {
  Favord favord({.flags = {"--memory-budget", "1MiB"}});
  v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 8, 1, 512, 1, 1, 512}, nullptr, 2));
  const AttendAnswer answer = Attend(favord.channel(), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
}

TEST(MemoryBudget, NoRoomNowIsResourceExhaustedAndTellsWhenToComeBack) {
  const v1::AttendRequest large = LongRequest();
  Favord favord({.flags = {"--memory-budget", std::to_string(3 * large.ByteSizeLong())}});
  {
    BusyWith busy(favord, large);
    ASSERT_TRUE(Eventually([&] {
      return favord.Metrics().Sum("favor_admitted_bytes") > 1.5 * static_cast<double>(large.ByteSizeLong());
    })) << "request and output";
    const AttendAnswer refused = Attend(favord.channel(), large);
    EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << Describe(refused.status);
    ASSERT_TRUE(RetryDelayOf(refused.status).has_value());
    EXPECT_GT(*RetryDelayOf(refused.status), absl::ZeroDuration());
    EXPECT_LT(*RetryDelayOf(refused.status), absl::Seconds(30));
    EXPECT_GE(favord.Metrics().Sum("favor_rejected_total", {{"reason", "memory"}}), 1);
    // What fits beside it is still answered.
    const AttendAnswer small = Attend(favord.channel(), GoodRequest());
    EXPECT_TRUE(small.ok()) << Describe(small.status);
  }
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
}

TEST(MaxCalls, OneMoreIsResourceExhaustedAndTellsWhenToComeBack) {
  Favord favord({.flags = {"--max-calls", "1"}});
  BusyWith busy(favord, LongRequest());
  const AttendAnswer refused = Attend(favord.channel(), GoodRequest());
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << Describe(refused.status);
  EXPECT_TRUE(RetryDelayOf(refused.status).has_value());
  EXPECT_EQ(favord.Metrics().Sum("favor_rejected_total", {{"reason", "calls"}}), 1);
}

// Whether the long call is still computed. The order in which calls end is what no busy machine changes, as it changes
// the times that they take: whoever waits for the long call is answered after it.
// Its message and its attention are two jobs: between them there is none for a moment.
bool StillComputes(const Favord& favord) {
  return Eventually([&] { return favord.Metrics().Sum("favor_queue_jobs") > 0; });
}

TEST(Fairness, SmallCallsStayQuickBesideALongOne) {
  // One compute thread, so that nothing but sharing it can help.
  Favord favord({.flags = {"--threads", "1"}});
  BusyWith busy(favord, LongRequest());
  // A hundred in the half minute that the long one takes. Behind it not one would come; a turn of the kernels is some
  // milliseconds.
  for (int i = 0; i < 100; ++i) {
    const AttendAnswer answer = Attend(favord.channel(), GoodRequest());
    EXPECT_TRUE(answer.ok()) << Describe(answer.status);
  }
  EXPECT_TRUE(StillComputes(favord));
}

TEST(Fairness, HealthAndInfoDoNotWaitForCompute) {
  Favord favord({.flags = {"--threads", "1"}});
  BusyWith busy(favord, LongRequest());
  for (const std::string method : {"/grpc.health.v1.Health/Check", "/favor.v1.InfoService/GetServerInfo"}) {
    for (int i = 0; i < 20; ++i) {
      const auto answer = CallWithBytes(favord.channel(), method, "");
      EXPECT_TRUE(answer.ok()) << Describe(answer.status);
    }
    EXPECT_TRUE(StillComputes(favord)) << method;
  }
}

TEST(Fairness, ManyClientsAtOnceAllGetTheirOwnAnswer) {
  Favord favord;
  constexpr int kClients = 24, kCallsEach = 15;
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      const auto channel = ConnectTo(favord.address());
      const AttentionShape shape = {1, 2, 2, 20 + client, 20 + client, 8, 8};
      AttentionSpec spec;
      spec.causal = client % 2 == 0;
      const AttentionCase attention_case = GaussianCase(spec, shape, TestProjection(16, 8, client), client);
      const auto expected = Compute(OracleAttention(), attention_case);
      for (int i = 0; i < kCallsEach; ++i) {
        const auto result = Compute(AttentionOver(channel, {}), attention_case);
        if (result.ok() && WorstRowError(result->output, expected->output) < 3e-5) ++right;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, kClients * kCallsEach);
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
}

}  // namespace
}  // namespace favor::testing
