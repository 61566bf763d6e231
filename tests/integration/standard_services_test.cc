// Health, reflection and channelz, and every kind of address they are reached at.
#include <signal.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "gtest/gtest.h"
#include "reflection.grpc.pb.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1alpha::ServerReflection;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
}

HealthCheckRequest About(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

TEST(Health, CheckKnowsTheServerEveryServiceAndLiveness) {
  Favord favord;
  ASSERT_TRUE(favord.AwaitServing());
  const auto stub = Health::NewStub(favord.channel());
  for (const std::string service : {"", "favor.v1.AttentionService", "favor.v1.InfoService", "liveness"}) {
    SCOPED_TRACE(service);
    grpc::ClientContext context;
    SetDeadline(&context);
    HealthCheckResponse response;
    const grpc::Status status = stub->Check(&context, About(service), &response);
    EXPECT_TRUE(status.ok()) << Describe(status);
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  grpc::ClientContext context;
  SetDeadline(&context);
  HealthCheckResponse response;
  EXPECT_EQ(stub->Check(&context, About("favor.v1.NoSuchService"), &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST(Health, WatchTellsEveryChangeUpToTheEnd) {
  Favord favord({.flags = {"--drain-delay", "300ms"}});
  ASSERT_TRUE(favord.AwaitServing());
  const auto stub = Health::NewStub(favord.channel());
  const auto watch = [&](grpc::ClientContext* context, const std::string& service) {
    SetDeadline(context);
    return stub->Watch(context, About(service));
  };
  grpc::ClientContext contexts[4];
  const auto ready = watch(&contexts[0], "");
  const auto service = watch(&contexts[1], "favor.v1.AttentionService");
  const auto liveness = watch(&contexts[2], "liveness");
  const auto unknown = watch(&contexts[3], "favor.v1.NoSuchService");
  HealthCheckResponse response;
  for (auto* stream : {ready.get(), service.get(), liveness.get()}) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  ASSERT_TRUE(unknown->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);

  favord.process().Signal(SIGTERM);
  for (auto* stream : {ready.get(), service.get()}) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  }
  // Open watches do not hold the server up.
  EXPECT_EQ(favord.Stop(absl::Seconds(15)), 0);
  if (liveness->Read(&response)) {
    // gRPC's own service says so of everything when it shuts down.
    EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  }
}

class Reflection : public ::testing::Test {
 protected:
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    grpc::ClientContext context;
    SetDeadline(&context);
    const auto stream = ServerReflection::NewStub(favord_.channel())->ServerReflectionInfo(&context);
    ServerReflectionResponse response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
    return response;
  }

  Favord favord_;
};

TEST_F(Reflection, ListsEveryService) {
  ServerReflectionRequest request;
  request.set_list_services("*");
  std::vector<std::string> names;
  const ServerReflectionResponse response = Ask(request);
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names, IsSupersetOf({"favor.v1.AttentionService", "favor.v1.InfoService", "grpc.health.v1.Health",
                                   "grpc.reflection.v1alpha.ServerReflection"}));
}

TEST_F(Reflection, DescribesTheProtocol) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("favor.v1.AttentionService");
  const ServerReflectionResponse response = Ask(request);
  ASSERT_GT(response.file_descriptor_response().file_descriptor_proto_size(), 0)
      << response.error_response().error_message();
  std::vector<std::string> methods;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    for (const auto& service : file.service()) {
      for (const auto& method : service.method()) methods.push_back(method.name());
    }
  }
  EXPECT_THAT(methods, IsSupersetOf({"Attend", "AttendStream", "Fold", "Merge", "Read", "Calibrate"}));
}

TEST_F(Reflection, RefusesSymbolsThatAreNot) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("favor.v1.Nothing");
  EXPECT_EQ(Ask(request).error_response().error_code(), static_cast<int>(grpc::StatusCode::NOT_FOUND));
}

TEST(Channelz, KnowsTheServer) {
  Favord favord;
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const auto answer = CallWithBytes(favord.channel(), "/grpc.channelz.v1.Channelz/GetServers", "");
  EXPECT_TRUE(answer.ok()) << Describe(answer.status);
  // GetServersResponse: a Server in field 1.
  EXPECT_THAT(answer.response, StartsWith("\x0a"));
}

TEST(Addresses, UnixSocketAnswersAsTcpDoes) {
  const TempDir dir;
  Favord favord({.addresses = {"unix:" + dir.File("favord.sock")}});
  const AttendAnswer answer = Attend(favord.channel(), GoodRequest());
  EXPECT_TRUE(answer.ok()) << Describe(answer.status);
  EXPECT_EQ(favord.Stop(), 0);
}

TEST(Addresses, SeveralAreServedAtOnce) {
  const TempDir dir;
  Favord favord({.addresses = {"127.0.0.1:0", "unix:" + dir.File("favord.sock"), "127.0.0.1:0"}});
  ASSERT_EQ(favord.addresses().size(), 3u);
  EXPECT_NE(favord.addresses()[0], favord.addresses()[2]);
  std::set<std::string> outputs;
  for (const std::string& address : favord.addresses()) {
    const AttendAnswer answer = Attend(ConnectTo(address), GoodRequest());
    EXPECT_TRUE(answer.ok()) << address << ": " << Describe(answer.status);
    outputs.insert(answer.response.output().data());
  }
  EXPECT_EQ(outputs.size(), 1u);
}

TEST(Addresses, UnixSocketLeftByAKilledServerIsTakenOver) {
  const TempDir dir;
  const std::string address = "unix:" + dir.File("favord.sock");
  {
    Favord killed({.addresses = {address}});
    killed.process().Signal(SIGKILL);
    killed.process().AwaitExit(absl::Seconds(10));
  }
  Favord favord({.addresses = {address}});
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(Addresses, LoopbackOfIpv6IsServed) {
  if (access("/proc/net/if_inet6", F_OK) != 0) GTEST_SKIP() << "no IPv6 here";
  Favord favord({.addresses = {"[::1]:0"}});
  const AttendAnswer answer = Attend(favord.channel(), GoodRequest());
  EXPECT_TRUE(answer.ok()) << Describe(answer.status);
}

}  // namespace
}  // namespace favor::testing
