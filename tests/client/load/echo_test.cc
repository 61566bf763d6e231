#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/load/echo_load.h"
#include "client/load/echo_process.h"
#include "client/load/echo_server.h"
#include "client/transport/call.h"
#include "client/transport/channel.h"

namespace favor::load {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<EchoServer> StartServer(const std::string& address = "127.0.0.1:0") {
  auto server = EchoServer::Start(address);
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::unique_ptr<EchoLoad> LoadOf(const std::string& endpoint, int64_t request_bytes, int64_t response_bytes) {
  auto load = EchoLoad::Create({.endpoint = endpoint,
                                .num_connections = 2,
                                .request_bytes = request_bytes,
                                .response_bytes = response_bytes,
                                .deadline = absl::Seconds(30)});
  EXPECT_TRUE(load.ok()) << load.status();
  return *std::move(load);
}

TEST(Echo, AnswersAsManyBytesAsAskedFor) {
  const auto server = StartServer();
  for (const auto& [request_bytes, response_bytes] : std::vector<std::pair<int64_t, int64_t>>{
           {8, 0}, {100, 7}, {100, 100}, {10, 5'000'000}, {5'000'000, 20}, {3'000'000, 1'000'000}}) {
    const CallOutcome outcome = LoadOf(server->address(), request_bytes, response_bytes)->Call(0);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.request_bytes, request_bytes);
    EXPECT_EQ(outcome.response_bytes, response_bytes);
  }
}

// Calls the server with bytes of our own.
absl::StatusOr<std::string> Send(const EchoServer& server, const std::string& bytes) {
  const auto channel = client::MakeChannel({.endpoint = server.address()});
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer response;
  const absl::Status status =
      client::CallUnary(*channel, kEchoMethod, client::CallSettings(), grpc::ByteBuffer(&slice, 1), &response);
  if (!status.ok()) return status;
  grpc::Slice flat;
  if (!response.DumpToSingleSlice(&flat).ok()) return absl::InternalError("cannot be read");
  return std::string(reinterpret_cast<const char*>(flat.begin()), flat.size());
}

TEST(Echo, AnswersTheBytesThemselvesAndZerosBehind) {
  const auto server = StartServer();
  const std::string header("\x0c\0\0\0\0\0\0\0", 8);
  EXPECT_EQ(*Send(*server, header + "abcdefgh"), header + "abcd");
  EXPECT_EQ(*Send(*server, header), header + std::string(4, '\0'));
}

TEST(Echo, ListensOnSocketsWithAndWithoutAFile) {
  for (const std::string& address : {absl::StrCat("unix:", ::testing::TempDir(), "/favor_echo_test_", getpid()),
                                     absl::StrCat("unix-abstract:favor_echo_test_", getpid())}) {
    const auto server = StartServer(address);
    EXPECT_EQ(server->address(), address);
    EXPECT_TRUE(LoadOf(address, 100, 7)->Call(0).status.ok());
  }
}

TEST(Echo, RefusesARequestWithoutASize) {
  const auto server = StartServer();
  EXPECT_EQ(Send(*server, "1234567").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Send(*server, std::string(8, '\xff')).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Echo, ManyCallsAtOnceAreAllAnswered) {
  const auto server = StartServer();
  const auto load = LoadOf(server->address(), 1000, 500);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&load, caller] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(load->Call(caller).status.ok());
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST(Echo, AnAddressInUseIsAnError) {
  const auto server = StartServer();
  const auto second = EchoServer::Start(server->address());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server->address()));
}

TEST(EchoProcess, AProgramThatDoesNotListenIsAnError) {
  for (const std::string program : {"/bin/true", "/no/such/program"}) {
    const auto process = EchoProcess::Start(program, EchoProcess::Transport::kUnixSocket);
    EXPECT_FALSE(process.ok()) << program;
  }
}

}  // namespace
}  // namespace favor::load
