#include "client/transport/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace favor::client {
namespace {

using ::testing::HasSubstr;

TEST(IsLocal, KnowsThisMachine) {
  for (const char* endpoint : {"127.0.0.1:1", "dns:///localhost:1", "unix:/run/x", "[::1]:1", "ipv6:[::1]:1"}) {
    EXPECT_TRUE(IsLocal(endpoint)) << endpoint;
  }
  for (const char* endpoint : {"10.0.0.1:1", "dns:///localhost.example:1", "example:127"}) {
    EXPECT_FALSE(IsLocal(endpoint)) << endpoint;
  }
}

TEST(Connect, NamesTheFileItCannotRead) {
  const auto client = Client::Connect({.tls = TlsOptions{.ca_file = "/nonexistent/ca.pem"}});
  EXPECT_EQ(client.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(client.status().message()), HasSubstr("tls.ca_file: cannot read /nonexistent/ca.pem"));
}

TEST(Connect, RefusesWhatIsNoCertificate) {
  const std::string path = ::testing::TempDir() + "/favor_not_a.pem";
  std::ofstream(path) << "hello";
  const auto client = Client::Connect({.tls = TlsOptions{.ca_file = path}});
  EXPECT_EQ(client.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Connect, SaysOfAnEmptyFileThatItIsNoCertificate) {
  const std::string path = ::testing::TempDir() + "/favor_empty.pem";
  std::ofstream(path).close();
  for (const std::string& empty : {path, std::string("/dev/null")}) {
    const absl::Status status = Client::Connect({.tls = TlsOptions{.ca_file = empty}}).status();
    EXPECT_EQ(status, absl::InvalidArgumentError("tls.ca_file: " + empty + " is not a PEM file"));
  }
  const absl::Status status = Client::Connect({.tls = TlsOptions{.ca_file = ::testing::TempDir()}}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot read"));
}

TEST(Connect, RefusesOptionsThatMakeNoSense) {
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Connect({.endpoint = ""}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Connect({.tls = TlsOptions{.cert_file = "a"}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Connect({.api_key = "a\nb"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Connect({.deadline = absl::ZeroDuration()}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Connect({.retries = {.max_retries = -1}}).status()));
}

}  // namespace
}  // namespace favor::client
