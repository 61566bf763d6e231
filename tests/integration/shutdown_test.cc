// SIGTERM loses no call: health says so first, calls go on, those in flight end, and the process with them.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/slowdown.h"

namespace favor::testing {
namespace {

using grpc::health::v1::HealthCheckResponse;

grpc::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                         HealthCheckResponse::ServingStatus* serving) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const grpc::Status status = grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  *serving = response.status();
  return status;
}

HealthCheckResponse::ServingStatus HealthOf(Favord& favord, const std::string& service = "") {
  HealthCheckResponse::ServingStatus serving = HealthCheckResponse::UNKNOWN;
  const grpc::Status status = CheckHealth(favord.channel(), service, &serving);
  EXPECT_TRUE(status.ok()) << Describe(status);
  return serving;
}

// A call of some hundred milliseconds.
v1::AttendRequest MediumRequest() {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  return ToRequest(GaussianCase(spec, {1, 8, 1, 3000, 3000, 32, 32}, nullptr, 1));
}

// Clients that call again and again, each over its own connection, as those behind a balancer do: they stop by
// themselves once health is NOT_SERVING. Nothing they start may be lost.
class Load {
 public:
  Load(Favord& favord, int num_clients) {
    for (int i = 0; i < num_clients; ++i) {
      clients_.emplace_back([this, address = favord.address(), i] { Run(ConnectTo(address), i); });
    }
  }
  ~Load() { Join(); }

  void Join() {
    for (std::thread& client : clients_) client.join();
    clients_.clear();
  }

  int answered() const { return answered_; }
  int answered_while_draining() const { return answered_while_draining_; }
  int lost() const { return lost_; }

 private:
  void Run(const std::shared_ptr<grpc::Channel>& channel, int index) {
    const v1::AttendRequest request = index % 2 == 0 ? GoodRequest() : MediumRequest();
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    int calls_after_notice = 0;
    while (calls_after_notice < 2 && absl::Now() < give_up) {
      HealthCheckResponse::ServingStatus serving = HealthCheckResponse::UNKNOWN;
      if (!CheckHealth(channel, "", &serving).ok()) ++lost_;
      // A balancer takes a moment: two more calls come although the server has said it is going.
      const bool draining = serving != HealthCheckResponse::SERVING;
      if (draining) ++calls_after_notice;
      const AttendAnswer answer = Attend(channel, request);
      if (answer.ok()) {
        ++answered_;
        if (draining) ++answered_while_draining_;
      } else {
        ++lost_;
        ADD_FAILURE() << Describe(answer.status);
      }
    }
  }

  std::atomic<int> answered_ = 0;
  std::atomic<int> answered_while_draining_ = 0;
  std::atomic<int> lost_ = 0;
  std::vector<std::thread> clients_;
};

TEST(Sigterm, UnderLoadLosesNoCall) {
  // However long the clients take to notice.
  Favord favord({.flags = {"--drain-delay", "1h", "--drain-timeout", "30s"}});
  Load load(favord, 6);
  ASSERT_TRUE(Eventually([&] { return load.answered() >= 20; }, absl::Seconds(60)));
  favord.process().Signal(SIGTERM);
  load.Join();
  EXPECT_EQ(load.lost(), 0);
  EXPECT_GE(load.answered_while_draining(), 6);
  EXPECT_EQ(favord.Stop(), 0);  // the second signal: no more waiting
}

TEST(Sigterm, TurnsHealthFirstAndGoesOnServingForTheDrainDelay) {
  Favord favord({.flags = {"--drain-delay", "1h"}});
  ASSERT_TRUE(favord.AwaitServing());
  ASSERT_EQ(HealthOf(favord), HealthCheckResponse::SERVING);
  favord.process().Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return HealthOf(favord) == HealthCheckResponse::NOT_SERVING; }));
  EXPECT_TRUE(
      Eventually([&] { return HealthOf(favord, "favor.v1.AttentionService") == HealthCheckResponse::NOT_SERVING; }));
  EXPECT_EQ(HealthOf(favord, "liveness"), HealthCheckResponse::SERVING) << "to be restarted now would lose calls";
  // Old connections and new ones alike.
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  EXPECT_TRUE(Attend(ConnectTo(favord.address()), GoodRequest()).ok());
  EXPECT_TRUE(favord.process().running());
}

TEST(Sigterm, EndsTheProcessWhenTheDrainDelayIsOver) {
  Favord favord({.flags = {"--drain-delay", "1s"}});
  const absl::Time signalled = absl::Now();
  EXPECT_EQ(favord.Stop(), 0);
  EXPECT_GE(absl::Now() - signalled, absl::Seconds(1));
}

TEST(Sigterm, LetsCallsInFlightEndAfterTheDelay) {
  Favord favord({.flags = {"--drain-delay", "0s", "--drain-timeout", "1h", "--threads", "1"}});
  v1::AttendRequest request = MediumRequest();
  std::vector<AttendAnswer> answers(4);
  std::vector<std::thread> callers;
  for (AttendAnswer& answer : answers) {
    callers.emplace_back([&] { answer = Attend(ConnectTo(favord.address()), request); });
  }
  // All have come, and one at least is not done: whichever are, four take a second of one thread.
  EXPECT_TRUE(Eventually([&] {
    const Exposition metrics = favord.Metrics();
    return metrics.Sum("grpc_server_started_total", {{"grpc_method", "Attend"}}) == 4 &&
           metrics.Sum("favor_calls_in_flight") > 0;
  }));
  favord.process().Signal(SIGTERM);
  for (std::thread& caller : callers) caller.join();
  for (const AttendAnswer& answer : answers) EXPECT_TRUE(answer.ok()) << Describe(answer.status);
  EXPECT_EQ(favord.process().AwaitExit(absl::Seconds(60)), 0);
}

TEST(Sigterm, CancelsWhatIsLeftWhenTheDrainTimeoutIsUp) {
  Favord favord({.flags = {"--drain-delay", "0s", "--drain-timeout", "300ms", "--threads", "1"}});
  AttendAnswer answer;
  std::thread caller([&] { answer = Attend(favord.channel(), LongRequest(100'000)); });
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 1; }));
  const absl::Time signalled = absl::Now();
  favord.process().Signal(SIGTERM);
  caller.join();
  // A code that clients retry, elsewhere.
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE) << Describe(answer.status);
  EXPECT_TRUE(favord.process().AwaitExit(absl::Seconds(60)).has_value());
  EXPECT_LT(absl::Now() - signalled, absl::Seconds(20)) << "the call alone takes a hundred";
  const std::string log = favord.process().err().text();
  EXPECT_THAT(log, ::testing::HasSubstr("\"code\":\"UNAVAILABLE\""));
  EXPECT_THAT(log, ::testing::HasSubstr("\"calls_cancelled\":1"));
}

TEST(Sigterm, EndsStreamsThatAreLeftWithACodeToRetryToo) {
  Favord favord({.flags = {"--drain-delay", "0s", "--drain-timeout", "300ms"}});
  AttendStreamClient idle(favord.channel());
  ASSERT_TRUE(idle.Start(GoodRequest().spec()));
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_open_streams") == 1; }));
  favord.process().Signal(SIGTERM);
  const grpc::Status status = idle.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << Describe(status);
  EXPECT_EQ(favord.process().AwaitExit(absl::Seconds(60)), 0);
}

TEST(Sigterm, ASecondOneEndsTheWaiting) {
  Favord favord({.flags = {"--drain-delay", "1h", "--drain-timeout", "1h"}});
  grpc::ClientContext context;
  AttendAnswer answer;
  std::thread caller([&] { answer = Attend(favord.channel(), LongRequest(), {.context = &context}); });
  EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 1; }));
  favord.process().Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return HealthOf(favord) == HealthCheckResponse::NOT_SERVING; }));
  EXPECT_TRUE(favord.process().running());
  favord.process().Signal(SIGTERM);
  EXPECT_TRUE(favord.process().AwaitExit(absl::Seconds(60)).has_value());
  caller.join();
  EXPECT_FALSE(answer.ok());
}

TEST(Sigterm, OfAnIdleServerIsQuick) {
  for (const int signal : {SIGTERM, SIGINT}) {
    absl::Duration best = absl::InfiniteDuration();            // of a machine that does nothing else
    for (int i = 0; i < 3 && best >= absl::Seconds(1); ++i) {  // other tests may come between for a moment
      const double before = Slowdown();
      Favord favord({.flags = {"--drain-delay", "0s"}});
      ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
      const absl::Time signalled = absl::Now();
      favord.process().Signal(signal);
      EXPECT_EQ(favord.process().AwaitExit(absl::Seconds(60)), 0);
      const absl::Duration took = absl::Now() - signalled;
      best = std::min(best, took / std::max(before, Slowdown()));
    }
    EXPECT_LT(best, absl::Seconds(1));
  }
}

TEST(Sigterm, IsNotHeldUpByIdleConnections) {
  Favord favord({.flags = {"--drain-delay", "0s"}});
  const auto idle = ConnectTo(favord.address());
  ASSERT_TRUE(Attend(idle, GoodRequest()).ok());
  const absl::Time signalled = absl::Now();
  favord.process().Signal(SIGTERM);
  EXPECT_EQ(favord.process().AwaitExit(absl::Seconds(60)), 0);
  EXPECT_LT(absl::Now() - signalled, absl::Seconds(15)) << "half of the drain timeout";
}

}  // namespace
}  // namespace favor::testing
