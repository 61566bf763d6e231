// Numbers among options that mean nothing are refused by name.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "client/embed_all.h"
#include "client/resuming_stream.h"
#include "client/sharded_attention.h"

namespace favor::client {
namespace {

std::vector<Client> NobodyThere() {
  std::vector<Client> servers;
  servers.push_back(*Client::Connect({.endpoint = "unix:/nonexistent/socket", .retries = {.max_retries = 0}}));
  return servers;
}

void ExpectRefused(const absl::Status& status, const std::string& why) {
  EXPECT_EQ(status, absl::InvalidArgumentError(why));
}

TEST(Options, OfAClient) {
  const auto refuses = [](const RetryOptions& retries, const std::string& why) {
    ExpectRefused(Client::Connect({.retries = retries}).status(), why);
  };
  refuses({.max_retries = -1}, "retries.max_retries is -1, the least is 0");
  refuses({.initial_backoff = -absl::Seconds(1)}, "retries.initial_backoff is -1s, the least is 0");
  refuses({.max_backoff = -absl::Seconds(2)}, "retries.max_backoff is -2s, the least is 0");
  EXPECT_TRUE(Client::Connect({.retries = {.initial_backoff = absl::ZeroDuration()}}).ok());
}

TEST(Options, OfAnEndpoint) {
  const auto refuses = [](const std::string& endpoint, const std::string& why) {
    ExpectRefused(Client::Connect({.endpoint = endpoint}).status(),
                  absl::StrCat("endpoint is \"", endpoint, "\": ", why));
    EXPECT_TRUE(absl::IsInvalidArgument(ConnectAll({}, {"127.0.0.1:1", endpoint}).status())) << endpoint;
  };
  for (const char* endpoint : {"", "dns://", "dns://9.9.9.9", "ipv4:127.0.0.1", "127.0.0.1", "example.org:", ":50051",
                               "[::1]", "[]:1", "[::1:1", "[::1]1"}) {
    refuses(endpoint, "must be host:port");
  }
  refuses("::1:50051", "an IPv6 address and its port are written [::1]:50051");
  refuses("ipv6:::1", "an IPv6 address and its port are written [::1]:50051");
  refuses("foo bar", "its host has ' '");
  refuses("a\n:1", "its host has '\\n'");
  refuses("http://example.org:50051", "its host has '/'");
  refuses("a:1,b:2", "its host has ','");
  refuses("127.0.0.1:107537", "its port is 107537, must be 1 to 65535");
  refuses("127.0.0.1:18446744073709551617", "its port is 18446744073709551617, must be 1 to 65535");
  refuses("[::1]:65536", "its port is 65536, must be 1 to 65535");
  refuses("127.0.0.1:0", "its port is 0, must be 1 to 65535");
  refuses("localhost:http", "its port is http, must be 1 to 65535");
  refuses("localhost:+1", "its port is +1, must be 1 to 65535");
  refuses("dns:///localhost:70000", "its port is 70000, must be 1 to 65535");
  refuses("dns://9.9.9.9/localhost:70000", "its port is 70000, must be 1 to 65535");
  refuses("ipv4:127.0.0.1:1,127.0.0.2:70000", "its port is 70000, must be 1 to 65535");
  refuses("ipv6:[::1]:70000", "its port is 70000, must be 1 to 65535");
}

TEST(Options, OfAnEndpointOfEveryForm) {
  for (const char* endpoint :
       {"localhost:1", "a_service.example.org:65535", "[fe80::1%eth0]:50051", "dns:///example.org",
        "dns:example.org:50051", "dns://9.9.9.9/example.org:50051", "ipv4:127.0.0.1:1,127.0.0.2:2", "ipv6:[::1]:1",
        "unix:/run/favord.sock", "unix-abstract:favord", "xds:///favord"}) {
    EXPECT_TRUE(Client::Connect({.endpoint = endpoint}).ok()) << endpoint;
  }
}

TEST(Options, OfShards) {
  const std::vector<Client> servers = NobodyThere();
  const ShardedInputs inputs{
      .key_length = 1, .keys = [](int64_t, int64_t) { return OwnedChunk(); }, .queries = nullptr, .put = nullptr};
  const auto refuses = [&](const ShardOptions& options, const std::string& why) {
    ExpectRefused(AttendInShards(servers, inputs, options).status(), why);
  };
  refuses({.num_parts = -1}, "num_parts is -1, the least is 0");
  refuses({.chunk = 0}, "chunk is 0, the least is 1");
  refuses({.calls_per_server = 0}, "calls_per_server is 0, the least is 1");
  refuses({.max_attempts = 0}, "max_attempts is 0, the least is 1");
  refuses({.initial_backoff = -absl::Seconds(1)}, "initial_backoff is -1s, the least is 0");
  refuses({.max_backoff = -absl::Seconds(1)}, "max_backoff is -1s, the least is 0");
}

TEST(Options, OfAResumingStream) {
  const auto refuses = [](const ResumingStreamOptions& options, const std::string& why) {
    ResumingStream stream(NobodyThere(), options);
    EXPECT_FALSE(stream.Send({})) << why;
    ExpectRefused(stream.Read().status(), why);
  };
  refuses({.checkpoint_every = 0}, "checkpoint_every is 0, the least is 1");
  refuses({.max_kept_bytes = -1}, "max_kept_bytes is -1, the least is 1");
  refuses({.answer_timeout = absl::ZeroDuration()}, "answer_timeout is 0, it must be positive");
  refuses({.answer_timeout = -absl::Seconds(1)}, "answer_timeout is -1s, it must be positive");
  refuses({.max_attempts = 0}, "max_attempts is 0, the least is 1");
  refuses({.initial_backoff = -absl::Seconds(1)}, "initial_backoff is -1s, the least is 0");
  refuses({.max_backoff = -absl::Seconds(1)}, "max_backoff is -1s, the least is 0");
}

TEST(Options, OfEmbedAll) {
  const std::vector<Client> servers = NobodyThere();
  ExpectRefused(EmbedAll(servers[0], {}, {.max_in_flight = 0}).status(), "max_in_flight is 0, the least is 1");
}

TEST(Options, OfWatchHealth) {
  ExpectRefused(NobodyThere()[0].WatchHealth("", nullptr), "the function on_status is unset");
}

}  // namespace
}  // namespace favor::client
