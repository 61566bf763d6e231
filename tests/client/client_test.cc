#include "client/client.h"

#include <gmock/gmock.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/client/fake_server.h"

namespace favor::client {
namespace {

using favor::testing::FakeServer;
using favor::testing::StatusWithDetail;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

const std::vector<float> kValues(2 * 3 * 4, 1.0f);

AttendInputs SmallInputs() {
  const TensorView tensor = Float32View(kValues, {1, 2, 3, 4});
  return {tensor, tensor, tensor};
}

Client ConnectTo(const FakeServer& server, ClientOptions options = {}) {
  options.endpoint = server.endpoint();
  options.retries.initial_backoff = absl::Milliseconds(1);
  return *Client::Connect(options);
}

TEST(Attend, BringsBackTheOutput) {
  FakeServer server;
  server.OnAttend([](const v1::AttendRequest& request, v1::AttendResponse* response) {
    *response->mutable_output() = request.values();
    response->mutable_report()->set_server_version("4.5.6");
    return grpc::Status::OK;
  });
  const absl::StatusOr<AttendResult> result = ConnectTo(server).Attend(SmallInputs());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output.ToFloat32(), kValues);
  EXPECT_THAT(result->output.shape(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(result->report.server_version, "4.5.6");
  EXPECT_EQ(result->num_attempts, 1);
  EXPECT_GT(result->round_trip, absl::ZeroDuration());
  EXPECT_EQ(result->request_bytes, static_cast<int64_t>(server.last_request().ByteSizeLong()));
}

TEST(Calibrate, BringsBackStatisticsOfItsSample) {
  FakeServer server;
  const std::vector<float> queries(1 * 4 * 3 * 2, 2.0f), keys = {1, 2, 3, 4, 5, 6, 7, 8};
  AttentionSpec spec;
  spec.scale = -0.25;
  const absl::StatusOr<Statistics> statistics =
      ConnectTo(server).Calibrate({Float32View(queries, {1, 4, 3, 2}), Float32View(keys, {1, 2, 2, 2})}, spec);
  ASSERT_TRUE(statistics.ok()) << statistics.status();
  ASSERT_EQ(statistics->heads.size(), 2u);
  EXPECT_THAT(statistics->heads[1].key_shift, ElementsAre(5, 6));
  EXPECT_THAT(statistics->heads[1].proposal, ElementsAre(-0.25));
}

TEST(Attend, CarriesMessagesBeyondTheDefaultBoundOfGrpc) {
  FakeServer server;
  const std::vector<float> large(int64_t{3} << 20, 0.5f);  // 12 MiB; gRPC's default bound is 4 MiB
  const TensorView tensor = Float32View(large, {1, 1, int64_t{3} << 14, 64});
  const absl::StatusOr<AttendResult> result = ConnectTo(server).Attend({tensor, tensor, tensor});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output.bytes().size(), large.size() * sizeof(float));
  EXPECT_EQ(server.last_request().values().data(),
            std::string(reinterpret_cast<const char*>(large.data()), large.size() * sizeof(float)));
}

TEST(Attend, KeepsCodeMessageAndViolationsOfAnError) {
  FakeServer server;
  server.OnAttend([](const v1::AttendRequest&, v1::AttendResponse*) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field("keys.shape");
    violation->set_description("head_dim is 48, queries.head_dim is 64");
    return StatusWithDetail(grpc::StatusCode::INVALID_ARGUMENT, "keys do not fit", bad_request);
  });
  const absl::Status status = ConnectTo(server).Attend(SmallInputs()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "keys do not fit");
  const std::vector<FieldViolation> violations = FieldViolationsOf(status);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "keys.shape");
  EXPECT_EQ(violations[0].description, "head_dim is 48, queries.head_dim is 64");
  EXPECT_EQ(server.num_attend_calls(), 1);
}

TEST(Attend, IsTriedAgainWhenTheServerIsUnavailable) {
  FakeServer server;
  server.OnAttend([&server](const v1::AttendRequest& request, v1::AttendResponse* response) {
    if (server.num_attend_calls() < 3) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining");
    *response->mutable_output() = request.values();
    return grpc::Status::OK;
  });
  const absl::StatusOr<AttendResult> result = ConnectTo(server).Attend(SmallInputs());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->num_attempts, 3);
  EXPECT_EQ(result->output.ToFloat32(), kValues);
}

TEST(Attend, SaysHowOftenItWasTried) {
  FakeServer server;
  server.OnAttend([](auto&, auto*) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining"); });
  ClientOptions options;
  options.retries.max_retries = 2;
  const absl::Status status = ConnectTo(server, options).Attend(SmallInputs()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "draining (after 3 attempts)");
  EXPECT_EQ(server.num_attend_calls(), 3);
}

TEST(Attend, WaitsAsLongAsAnExhaustedServerAsks) {
  FakeServer server;
  constexpr absl::Duration kDelay = absl::Milliseconds(50);
  server.OnAttend([&](const v1::AttendRequest& request, v1::AttendResponse* response) {
    *response->mutable_output() = request.values();
    if (server.num_attend_calls() > 1) return grpc::Status::OK;
    google::rpc::RetryInfo info;
    info.mutable_retry_delay()->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(kDelay)));
    return StatusWithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", info);
  });
  const absl::Time start = absl::Now();
  const absl::StatusOr<AttendResult> result = ConnectTo(server).Attend(SmallInputs());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->num_attempts, 2);
  EXPECT_GE(absl::Now() - start, kDelay);
}

TEST(Attend, ExhaustedWithoutADelayIsFinal) {
  FakeServer server;
  server.OnAttend([](auto&, auto*) { return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too large"); });
  EXPECT_TRUE(absl::IsResourceExhausted(ConnectTo(server).Attend(SmallInputs()).status()));
  EXPECT_EQ(server.num_attend_calls(), 1);
}

TEST(Attend, EndsAtTheDeadline) {
  FakeServer server;
  absl::Mutex mutex;
  bool release = false;
  server.OnAttend([&](auto&, auto*) {
    absl::MutexLock lock(&mutex, absl::Condition(&release));
    return grpc::Status::OK;
  });
  AttendOptions options;
  options.deadline = absl::Milliseconds(30);
  EXPECT_TRUE(absl::IsDeadlineExceeded(ConnectTo(server).Attend(SmallInputs(), options).status()));
  absl::MutexLock lock(&mutex);
  release = true;
}

TEST(Attend, ServesManyThreadsAtOnce) {
  FakeServer server;
  server.OnAttend([](const v1::AttendRequest& request, v1::AttendResponse* response) {
    *response->mutable_output() = request.queries();
    return grpc::Status::OK;
  });
  const Client client = ConnectTo(server);
  std::atomic<int> num_right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const std::vector<float> own(10000, static_cast<float>(i));
      for (int call = 0; call < 5; ++call) {
        AttendInputs inputs = SmallInputs();
        inputs.queries = Float32View(own, {1, 1, 2500, 4});
        const absl::StatusOr<AttendResult> result = client.Attend(inputs);
        num_right += result.ok() && result->output.ToFloat32() == own;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_right, 40);
}

TEST(Client, SendsKeyAndUserAgent) {
  FakeServer server;
  ASSERT_TRUE(ConnectTo(server, {.api_key = "secret", .user_agent = "mine/2"}).Attend(SmallInputs()).ok());
  EXPECT_THAT(server.last_metadata(), Contains(Pair("authorization", "Bearer secret")));
  EXPECT_THAT(server.last_metadata(),
              Contains(Pair("user-agent", HasSubstr(absl::StrCat("mine/2 ", std::string(UserAgent()))))));
  ASSERT_TRUE(ConnectTo(server).Attend(SmallInputs()).ok());
  EXPECT_THAT(server.last_metadata(), Not(Contains(Key("authorization"))));
}

TEST(Client, SendsItsPriorityAndNoneUnlessTold) {
  FakeServer server;
  const std::pair<Priority, std::string> names[] = {
      {Priority::kLow, "low"}, {Priority::kNormal, "normal"}, {Priority::kHigh, "high"}};
  for (const auto& [priority, name] : names) {
    ASSERT_TRUE(ConnectTo(server, {.priority = priority}).Attend(SmallInputs()).ok());
    EXPECT_THAT(server.last_metadata(), Contains(Pair("favor-priority", name)));
  }
  ASSERT_TRUE(ConnectTo(server).Attend(SmallInputs()).ok());
  EXPECT_THAT(server.last_metadata(), Not(Contains(Key("favor-priority"))));
}

TEST(Client, ReportsAnAbsentServerAsUnavailable) {
  std::string endpoint;
  {
    FakeServer gone;
    endpoint = gone.endpoint();
  }
  const auto client = Client::Connect({.endpoint = endpoint, .retries = {.max_retries = 0}});
  EXPECT_TRUE(absl::IsUnavailable(client->GetServerInfo().status()));
  EXPECT_TRUE(absl::IsUnavailable(client->CheckHealth().status()));
  EXPECT_TRUE(absl::IsUnavailable(client->WatchHealth("", [](ServingStatus) { return true; })));
}

TEST(Client, IgnoresAProxyForThisMachine) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  FakeServer server;
  const bool reached = ConnectTo(server).GetServerInfo().ok();
  unsetenv("http_proxy");
  EXPECT_TRUE(reached);
}

TEST(GetServerInfo, BringsBackEveryField) {
  FakeServer server;
  const absl::StatusOr<ServerInfo> info = ConnectTo(server).GetServerInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->version, "9.8.7");
  EXPECT_EQ(info->build, "test");
  EXPECT_EQ(info->cpu_target, "FAKE");
  EXPECT_EQ(info->num_compute_threads, 2);
  EXPECT_EQ(info->max_message_bytes, int64_t{256} << 20);
  EXPECT_EQ(info->memory_budget_bytes, int64_t{1} << 30);
  EXPECT_EQ(info->max_num_features, 65536);
  EXPECT_EQ(info->max_head_dim, 512);
  EXPECT_EQ(info->max_value_dim, 511);
  EXPECT_EQ(info->max_inputs_per_request, 65535);
  EXPECT_EQ(v1::Limits::descriptor()->field_count(), 6);
}

TEST(Health, TellsServicesApart) {
  FakeServer server;
  const Client client = ConnectTo(server);
  EXPECT_EQ(*client.CheckHealth(), ServingStatus::kServing);
  EXPECT_EQ(*client.CheckHealth("favor.v1.AttentionService"), ServingStatus::kServing);
  EXPECT_TRUE(absl::IsNotFound(client.CheckHealth("other").status()));
  server.SetHealth(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(*client.CheckHealth(), ServingStatus::kNotServing);
}

TEST(Health, WatchTellsEveryChangeUntilStopped) {
  FakeServer server;
  std::vector<ServingStatus> seen;
  const absl::Status status = ConnectTo(server).WatchHealth("", [&](ServingStatus serving) {
    seen.push_back(serving);
    if (seen.size() == 1) server.SetHealth(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
    if (seen.size() == 2) server.SetHealth(grpc::health::v1::HealthCheckResponse::SERVING);
    return seen.size() < 3;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre(ServingStatus::kServing, ServingStatus::kNotServing, ServingStatus::kServing));
}

// gRPC brings its own code for grpc.health.v1; it must live with our generated code in one process.
TEST(Health, ReadsGrpcsOwnHealthService) {
  int port = 0;
  grpc::ServerBuilder builder;
  grpc::EnableDefaultHealthCheckService(true);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  v1::InfoService::Service any;  // without a service of its own nobody would poll
  builder.RegisterService(&any);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  grpc::EnableDefaultHealthCheckService(false);
  ASSERT_NE(grpc::health::v1::HealthCheckRequest::descriptor(), nullptr);
  const absl::StatusOr<Client> client = Client::Connect({.endpoint = absl::StrCat("127.0.0.1:", port)});
  EXPECT_EQ(*client->CheckHealth(), ServingStatus::kServing);
  server->GetHealthCheckService()->SetServingStatus(false);
  EXPECT_EQ(*client->CheckHealth(), ServingStatus::kNotServing);
  server->Shutdown();
}

}  // namespace
}  // namespace favor::client
