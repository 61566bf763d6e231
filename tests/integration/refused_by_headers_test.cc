// What is certain to be refused is refused when its headers are there: its message is not read first.
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/busy_with.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/temp_dir.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kAttend[] = "/favor.v1.AttentionService/Attend";

// Counted after the client may have seen the end of its call.
bool HandlesOne(const Favord& favord, const std::string& code) {
  return Eventually([&] {
    return favord.Metrics().Sum("grpc_server_handled_total", {{"grpc_method", "Attend"}, {"grpc_code", code}}) == 1;
  });
}

TEST(RefusedByHeaders, IsACallBeyondTheLastPlace) {
  Favord favord({.flags = {"--max-calls", "1"}});
  BusyWith busy(favord, LongRequest());
  const double received = favord.Metrics().Sum("grpc_server_msg_received_total");
  for (const std::string method : {"Attend", "Fold", "Merge", "Read", "Calibrate"}) {
    grpc::ClientContext context;
    const grpc::Status refused = CallWithHeadersAlone(
        favord.channel(), absl::StrCat("/favor.v1.AttentionService/", method), {.context = &context});
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << method << ": " << Describe(refused);
    EXPECT_TRUE(RetryDelayOf(refused).has_value()) << method;
    EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u) << method;
  }
  for (const std::string method : {"Embed", "Tokenize"}) {
    const grpc::Status refused =
        CallWithHeadersAlone(favord.channel(), absl::StrCat("/favor.v1.EmbeddingService/", method));
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << method << ": " << Describe(refused);
  }
  // A call is counted as handled once gRPC has sent its end, which its client may see before.
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 1; }));
  const Exposition metrics = favord.Metrics();
  EXPECT_EQ(metrics.Sum("favor_rejected_total", {{"reason", "calls"}}), 7);
  EXPECT_EQ(metrics.Sum("favor_shed_total", {{"priority", "normal"}}), 7);
  EXPECT_EQ(metrics.Sum("grpc_server_handled_total", {{"grpc_code", "ResourceExhausted"}}), 7);
  EXPECT_EQ(metrics.Sum("grpc_server_msg_received_total"), received);
}

TEST(RefusedByHeaders, IsNoCallForWhosePriorityThereIsAPlace) {
  // One place for calls of normal priority, one more for those of high.
  Favord favord({.flags = {"--max-calls", "2", "--low-priority-share", "0.5", "--normal-priority-share", "0.5"}});
  BusyWith busy(favord, LongRequest());
  EXPECT_EQ(CallWithHeadersAlone(favord.channel(), kAttend).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext context;
  context.AddMetadata("favor-priority", "high");
  const AttendAnswer high = Attend(favord.channel(), GoodRequest(), {.context = &context});
  EXPECT_TRUE(high.ok()) << Describe(high.status);
  EXPECT_EQ(favord.Metrics().Sum("favor_shed_total", {{"priority", "normal"}}), 1);
  EXPECT_EQ(favord.Metrics().Sum("favor_shed_total", {{"priority", "high"}}), 0);
}

TEST(RefusedByHeaders, LeavesTheServerNothingOfALargeMessage) {
  Favord favord({.flags = {"--max-calls", "1"}});
  BusyWith busy(favord, LongRequest());
  const int64_t before = favord.PeakResidentBytes();
  const std::string large(200 << 20, 'x');
  const auto answer = CallWithBytes(favord.channel(), kAttend, large);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << Describe(answer.status);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("calls are in flight"));
  // A quarter of it: the busy call touches its output meanwhile, some 20 MB. AddressSanitizer keeps what is freed.
  EXPECT_LT(favord.PeakResidentBytes() - before, (kSanitized ? 100 : 50) << 20);
  EXPECT_EQ(favord.Metrics().Sum("favor_request_bytes_total", {{"grpc_method", "Attend"}}), 0);
}

TEST(RefusedByHeaders, IsACallBeyondTheLimitsOfItsKey) {
  const TempDir dir;
  const std::string keys = dir.Write("keys", absl::StrCat("alice ", Sha256Of("key"), " rate=0.001\n"));
  Favord favord({.flags = {"--api-keys", keys}});
  for (const auto code : {grpc::StatusCode::UNIMPLEMENTED, grpc::StatusCode::RESOURCE_EXHAUSTED}) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer key");
    // The first one comes in; it ends because nothing follows.
    const bool ends = code == grpc::StatusCode::UNIMPLEMENTED;
    const grpc::Status status = CallWithHeadersAlone(favord.channel(), kAttend, {.context = &context}, ends);
    EXPECT_EQ(status.error_code(), code) << Describe(status);
  }
  EXPECT_EQ(favord.Metrics().Sum("favor_rejected_total", {{"reason", "key_rate"}}), 1);
}

TEST(CallsWithoutAMessage, HoldNoPlaceAndEndWithTheirClients) {
  Favord favord({.flags = {"--max-calls", "1"}});
  grpc::ClientContext context;
  std::thread silent([&] { CallWithHeadersAlone(favord.channel(), kAttend, {.context = &context}); });
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 1; }));
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  context.TryCancel();
  silent.join();
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 0; }));
  EXPECT_TRUE(HandlesOne(favord, "Canceled"));
}

TEST(CallsWithoutAMessage, EndAtTheirDeadline) {
  Favord favord;
  // One that the server alone knows: a client whose own passes cancels, which may come first.
  grpc::ClientContext context;
  context.AddMetadata("grpc-timeout", "100m");
  const grpc::Status status =
      CallWithHeadersAlone(favord.channel(), kAttend, {.deadline = absl::InfiniteDuration(), .context = &context});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(status);
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 0; }));
  EXPECT_TRUE(HandlesOne(favord, "DeadlineExceeded"));
}

TEST(CallsWithoutAMessage, ThatEndTheirRequestsAreUnimplemented) {
  Favord favord;
  const grpc::Status status = CallWithHeadersAlone(favord.channel(), kAttend, {}, /*ends_requests=*/true);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << Describe(status);
  EXPECT_THAT(status.error_message(), HasSubstr("no request message"));
  EXPECT_TRUE(HandlesOne(favord, "Unimplemented"));
}

}  // namespace
}  // namespace favor::testing
