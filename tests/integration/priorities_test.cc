// Who is more urgent: the others are refused first and wait longer, and nobody for ever.
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Headers = std::vector<std::pair<std::string, std::string>>;

AttendAnswer AttendWith(const std::shared_ptr<grpc::Channel>& channel, const v1::AttendRequest& request,
                        const Headers& headers) {
  grpc::ClientContext context;
  for (const auto& [name, value] : headers) context.AddMetadata(name, value);
  return Attend(channel, request, {.context = &context});
}

// Some 20 ms of one thread.
v1::AttendRequest MediumRequest() {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  return ToRequest(GaussianCase(spec, {1, 8, 1, 700, 700, 32, 32}, nullptr, 1));
}

// Clients that call again and again with these headers, until the object goes.
class Callers {
 public:
  Callers(Favord& favord, int count, Headers headers) : headers_(std::move(headers)) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this, address = favord.address()] { Run(address); });
  }
  ~Callers() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  int answered() const { return answered_; }
  int refused() const { return refused_; }

 private:
  void Run(const std::string& address) {
    const auto channel = ConnectTo(address);
    const v1::AttendRequest request = MediumRequest();
    while (!stop_) {
      const AttendAnswer answer = AttendWith(channel, request, headers_);
      if (answer.ok()) {
        ++answered_;
      } else if (answer.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
        ++refused_;
        absl::SleepFor(absl::Milliseconds(5));
      } else {
        ADD_FAILURE() << Describe(answer.status);
      }
    }
  }

  const Headers headers_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> answered_ = 0, refused_ = 0;
  std::vector<std::thread> threads_;
};

double Shed(const Favord& favord, const std::string& priority) {
  return favord.Metrics().Sum("favor_shed_total", {{"priority", priority}});
}

TEST(Priorities, UnderOverloadTheLowIsShedAndTheHighIsAdmitted) {
  // Of the two places that only calls of high priority have, one is for a call whose answer has arrived: it has its
  // place until the server has sent that, and the next one may come a moment before.
  Favord favord(
      {.flags = {"--max-calls", "10", "--normal-priority-share", "0.8", "--threads", "1", "--log-every", "0"}});
  Callers low(favord, 6, {{"favor-priority", "low"}});    // up to 5 at once
  Callers normal(favord, 6, {});                          // 8
  Callers high(favord, 1, {{"favor-priority", "high"}});  // 10
  EXPECT_TRUE(Eventually([&] { return high.answered() >= 30; }, absl::Seconds(60)));
  for (Callers* callers : {&low, &normal, &high}) callers->Stop();
  EXPECT_EQ(high.refused(), 0);
  EXPECT_GT(low.refused(), 10);
  EXPECT_EQ(Shed(favord, "low"), low.refused());
  EXPECT_EQ(Shed(favord, "normal"), normal.refused());
  EXPECT_EQ(Shed(favord, "high"), high.refused());
}

TEST(Priorities, WhoeverIsAdmittedIsServedHoweverManyMoreUrgentThereAre) {
  Favord favord({.flags = {"--threads", "1", "--log-every", "0"}});
  // So many that some wait whatever time their clients take between calls.
  Callers high(favord, 12, {{"favor-priority", "high"}});
  EXPECT_TRUE(Eventually([&] { return high.answered() >= 12; }));
  const int before = high.answered();
  const AttendAnswer low = AttendWith(favord.channel(), MediumRequest(), {{"favor-priority", "low"}});
  EXPECT_TRUE(low.ok()) << Describe(low.status);
  // One turn in seventeen: the others do sixteen times the work meanwhile.
  EXPECT_GE(high.answered() - before, 6);
}

TEST(Priorities, AKeyBoundsWhatItsHolderMayAskFor) {
  const TempDir dir;
  std::string lines;
  for (const std::string name : {"shop", "alice", "batch"}) {
    absl::StrAppend(&lines, name, " ", Sha256Of(name), name == "shop" ? " priority=high" : "",
                    name == "batch" ? " priority=low" : "", "\n");
  }
  Favord favord({.flags = {"--api-keys", dir.Write("keys", lines)}});
  const auto priority_of = [&](const std::string& name, const std::string& asked) {
    Headers headers = {{"authorization", "Bearer " + name}};
    if (!asked.empty()) headers.emplace_back("favor-priority", asked);
    const size_t before = favord.process().err().text().size();
    EXPECT_TRUE(AttendWith(favord.channel(), GoodRequest(), headers).ok());
    std::string line;
    EXPECT_TRUE(Eventually([&] {
      line = favord.process().err().text().substr(before);
      return line.find("\"event\":\"call\"") != std::string::npos && line.back() == '\n';
    }));
    const size_t at = line.find("\"priority\":\"");
    return at == std::string::npos ? "normal" : line.substr(at + 12, line.find('"', at + 12) - at - 12);
  };
  EXPECT_EQ(priority_of("shop", ""), "high");
  EXPECT_EQ(priority_of("shop", "low"), "low");
  EXPECT_EQ(priority_of("alice", ""), "normal");
  EXPECT_EQ(priority_of("alice", "high"), "normal");
  EXPECT_EQ(priority_of("batch", "normal"), "low");
}

TEST(Priorities, EveryUnaryCallIsAdmittedByThatOfItsCaller) {
  // Nothing of low priority at all.
  Favord favord({.flags = {"--low-priority-share", "0"}});
  const std::vector<float> numbers(2 * 16 * 8, 0.5f);
  const client::TensorView tensor = client::Float32View(numbers, {1, 2, 16, 8});
  const auto statuses = [&](client::Priority priority) {
    const auto client =
        client::Client::Connect({.endpoint = favord.address(), .priority = priority, .retries = {.max_retries = 0}});
    EXPECT_TRUE(client.ok()) << client.status();
    const client::AttentionSpec fitted = {.mode = client::FeatureSpec{.estimator = client::Estimator::kSderf}};
    std::vector<std::pair<std::string, absl::StatusCode>> codes;
    codes.emplace_back("Attend", client->Attend({tensor, tensor, tensor}).status().code());
    codes.emplace_back("Fold", client->Fold({tensor, tensor}).status().code());
    codes.emplace_back("Calibrate", client->Calibrate({tensor, tensor}, fitted).status().code());
    return codes;
  };
  for (const auto& [method, code] : statuses(client::Priority::kLow)) {
    EXPECT_EQ(code, absl::StatusCode::kResourceExhausted) << method;
  }
  for (const auto& [method, code] : statuses(client::Priority::kNormal)) {
    EXPECT_EQ(code, absl::StatusCode::kOk) << method;
  }
}

TEST(Priorities, TheCommandAsksForTheOneOfItsFlagOrOfItsEnvironment) {
  Favord favord;
  const auto logged = [&](const std::vector<std::string>& flags, const std::vector<std::string>& environment) {
    std::vector<std::string> arguments = {"info", "--endpoint", favord.address()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const size_t before = favord.process().err().text().size();
    const Finished run = RunFavor(arguments, environment);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(Eventually(
        [&] { return favord.process().err().text().find("\"event\":\"call\"", before) != std::string::npos; }));
    return favord.process().err().text().substr(before);
  };
  EXPECT_THAT(logged({"--priority", "high"}, {}), HasSubstr("\"priority\":\"high\""));
  EXPECT_THAT(logged({}, {"FAVOR_PRIORITY=low"}), HasSubstr("\"priority\":\"low\""));
  EXPECT_THAT(logged({}, {}), Not(HasSubstr("\"priority\"")));
}

TEST(Priorities, AnUnknownOneIsAnErrorThatTellsWhichThereAre) {
  Favord favord;
  const AttendAnswer answer = AttendWith(favord.channel(), GoodRequest(), {{"favor-priority", "urgent"}});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("favor-priority is 'urgent', must be low, normal or high"));
}

}  // namespace
}  // namespace favor::testing
