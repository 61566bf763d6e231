// What Prometheus reads, and that it moves by what was called.
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

const Exposition::Labels kAttend = {
    {"grpc_type", "unary"}, {"grpc_service", "favor.v1.AttentionService"}, {"grpc_method", "Attend"}};

Exposition::Labels AttendWith(const std::string& code) {
  Exposition::Labels labels = kAttend;
  labels["grpc_code"] = code;
  return labels;
}

TEST(Metrics, EndpointSpeaksTheTextFormat) {
  Favord favord;
  const auto answer = HttpGet(favord.metrics_address(), "/metrics");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
  EXPECT_THAT(answer->headers, HasSubstr("text/plain"));
  const auto exposition = Exposition::Parse(answer->body);
  ASSERT_TRUE(exposition.ok()) << exposition.status();

  const auto other = HttpGet(favord.metrics_address(), "/nothing");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->code, 404);
}

TEST(Metrics, ConnectionsThatAskForNothingKeepNobodyOut) {
  Favord favord;
  std::vector<std::unique_ptr<Socket>> idle;
  for (int i = 0; i < 3; ++i) {
    idle.push_back(std::make_unique<Socket>(favord.metrics_address()));
    ASSERT_TRUE(idle.back()->connected());
  }
  absl::SleepFor(absl::Milliseconds(200));  // until they have their threads
  const absl::Time begin = absl::Now();
  const auto answer = HttpGet(favord.metrics_address(), "/metrics");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1.5));
}

TEST(Metrics, EveryFamilyIsThereFromTheStart) {
  Favord favord;
  const Exposition metrics = favord.Metrics();
  for (const std::string name :
       {"grpc_server_started_total", "grpc_server_handled_total", "grpc_server_handling_seconds",
        "grpc_server_msg_received_total", "grpc_server_msg_sent_total", "favor_queue_wait_seconds",
        "favor_compute_seconds", "favor_tokens_total", "favor_degenerate_rows_total", "favor_admitted_bytes",
        "favor_rejected_total", "favor_calls_in_flight", "favor_build_info", "process_resident_memory_bytes",
        "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"}) {
    EXPECT_TRUE(metrics.Has(name)) << name;
  }
  // Rates over codes that have not happened yet need their zero.
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", AttendWith("ResourceExhausted")), 0);
  EXPECT_EQ(metrics.Sum("favor_build_info"), 1);
  EXPECT_GT(metrics.Sum("process_resident_memory_bytes"), 1e6);
  EXPECT_NEAR(metrics.Sum("process_start_time_seconds"), absl::ToUnixSeconds(absl::Now()), 120);
}

TEST(Metrics, HalfRequestsOfOthersKeepNoScrapeWaitingForLong) {
  Favord favord;
  std::list<Socket> others;
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(others.emplace_back(favord.metrics_address()).Send("GET /met"));
  const absl::Time start = absl::Now();
  EXPECT_TRUE(favord.Metrics().Has("favor_build_info"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5)) << "Prometheus gives up after ten";
}

TEST(Metrics, MoveByWhatWasCalled) {
  Favord favord;
  v1::AttendRequest bad = GoodRequest();
  bad.mutable_keys()->clear_data();
  v1::AttendRequest unserved = GoodRequest();
  unserved.add_query_offsets(0);
  v1::AttendRequest degenerate = GoodRequest();
  degenerate.add_key_lengths(0);
  degenerate.add_key_lengths(5);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  for (int i = 0; i < 2; ++i) ASSERT_FALSE(Attend(favord.channel(), bad).ok());
  ASSERT_FALSE(Attend(favord.channel(), unserved).ok());
  ASSERT_TRUE(Attend(favord.channel(), degenerate).ok());

  // A call is counted once its answer is on the way, so a moment after the client has it, and let go of behind that.
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 0; }));
  const Exposition metrics = favord.Metrics();
  EXPECT_EQ(metrics.Sum("grpc_server_started_total", kAttend), 7);
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", AttendWith("OK")), 4);
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", AttendWith("InvalidArgument")), 2);
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", AttendWith("Unimplemented")), 1);
  EXPECT_EQ(metrics.Sum("grpc_server_msg_received_total", kAttend), 7);
  EXPECT_EQ(metrics.Sum("grpc_server_msg_sent_total", kAttend), 4);
  EXPECT_EQ(metrics.Sum("grpc_server_handling_seconds_count", kAttend), 7);
  EXPECT_GT(metrics.Sum("grpc_server_handling_seconds_sum", kAttend), 0);
  // Two sequences of five queries, four times; two heads of one of them see no key.
  EXPECT_EQ(metrics.Sum("favor_tokens_total"), 4 * 2 * 5);
  EXPECT_EQ(metrics.Sum("favor_degenerate_rows_total"), 2 * 5);
  EXPECT_EQ(metrics.Sum("favor_compute_seconds_count"), 4);
  EXPECT_EQ(metrics.Sum("favor_queue_wait_seconds_count"), 4);
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
}

TEST(Metrics, OtherMethodsHaveTheirOwnCounts) {
  Favord favord;
  CallWithBytes(favord.channel(), "/favor.v1.InfoService/GetServerInfo", "");
  CallWithBytes(favord.channel(), "/favor.v1.AttentionService/Merge", "");
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 0; }));
  const Exposition metrics = favord.Metrics();
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", {{"grpc_method", "GetServerInfo"}, {"grpc_code", "OK"}}), 1);
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", {{"grpc_method", "Merge"}, {"grpc_code", "InvalidArgument"}}), 1);
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", kAttend), 0);
}

TEST(Metrics, PromtoolFindsNothingToSayAboutThem) {
  if (testing::Run({.arguments = {"/bin/sh", "-c", "command -v promtool"}}).exit_code != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  }
  Favord favord;
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const auto page = HttpGet(favord.metrics_address(), "/metrics");
  ASSERT_TRUE(page.ok()) << page.status();
  const TempDir dir;
  const Finished check =
      testing::Run({.arguments = {"/bin/sh", "-c", "promtool check metrics < " + dir.Write("page", page->body)}});
  EXPECT_EQ(check.exit_code, 0);
  EXPECT_EQ(check.out + check.err, "");
}

TEST(Metrics, QueueShowsWhatWaitsAndForHowLong) {
  Favord favord({.flags = {"--threads", "1"}});
  EXPECT_EQ(favord.Metrics().Sum("favor_queue_jobs"), 0);
  grpc::ClientContext context;
  std::thread caller([&] { Attend(favord.channel(), LongRequest(), {.context = &context}); });
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_queue_jobs") == 1; }));
  context.TryCancel();
  caller.join();
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_queue_jobs") == 0; }));
}

TEST(Metrics, CountTheBytesOfMessages) {
  Favord favord;
  const v1::AttendRequest request = GoodRequest();
  const AttendAnswer answer = Attend(favord.channel(), request);
  ASSERT_TRUE(answer.ok());
  const auto sum = [&](const char* name) { return favord.Metrics().Sum(name, kAttend); };
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 0; }));
  EXPECT_EQ(sum("favor_request_bytes_total"), static_cast<double>(request.ByteSizeLong()));
  EXPECT_EQ(sum("favor_response_bytes_total"), static_cast<double>(answer.response.ByteSizeLong()));
  EXPECT_EQ(favord.Metrics().Sum("favor_serialise_seconds_count"), 1);
}

TEST(Metrics, EndpointCanBeLeftOut) {
  Favord favord({.flags = {"--metrics-address", ""}});
  EXPECT_EQ(favord.metrics_address(), "");
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  EXPECT_EQ(favord.Stop(), 0);
}

}  // namespace
}  // namespace favor::testing
