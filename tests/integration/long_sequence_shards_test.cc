// `favor shard` against servers that come and go, and what both commands refuse.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attention_state.h"
#include "client/sharded_attention.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/client_tensors.h"
#include "tests/integration/harness/long_sequences.h"
#include "tests/integration/harness/relay.h"
#include "tests/support/errors.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST_F(LongSequences, ShardedOverThreeServersAreOne) {
  const FavorRun whole = Run("attend", Files(), {"--output", dir_.File("whole.npy")});
  ASSERT_EQ(whole.exit_code, 0) << whole.error;
  std::string first;
  for (int i = 0; i < 2; ++i) {
    const FavorRun run =
        Run("shard", Files(), {"--output", dir_.File("out.npy"), "--chunk", "37", "--parts", "5"}, AllAddresses());
    ASSERT_EQ(run.exit_code, 0) << run.error;
    EXPECT_LT(RelativeError(Output("out.npy"), Output("whole.npy")), 1e-5);
    if (i == 0) first = ReadWholeFile(dir_.File("out.npy"));
  }
  // Not even the number of servers matters, as long as that of the parts is the same.
  const FavorRun alone = Run("shard", Files(), {"--output", dir_.File("out.npy"), "--chunk", "37", "--parts", "5"});
  ASSERT_EQ(alone.exit_code, 0) << alone.error;
  EXPECT_TRUE(ReadWholeFile(dir_.File("out.npy")) == first);
}

TEST_F(LongSequences, ShardsMayBeOfOneChunkHoweverLongItMayBe) {
  const auto servers = client::ConnectAll({}, {Address(0), Address(1)});
  ASSERT_TRUE(servers.ok());
  const auto keys = [this](int64_t begin, int64_t count) {
    return OwnedRows(nullptr, &case_.keys, &case_.values, begin, count);
  };
  const auto queries = [this](int64_t begin, int64_t count) {
    return OwnedRows(&case_.queries, nullptr, nullptr, begin, count);
  };
  int64_t num_outputs = 0;
  const auto put = [&num_outputs](int64_t, const client::Tensor& output) {
    num_outputs += output.shape()[2];
    return absl::OkStatus();
  };
  const client::ShardedInputs inputs{
      .key_length = kLength, .query_length = kLength, .keys = keys, .queries = queries, .put = put};
  const auto state = client::AttendInShards(*servers, inputs,
                                            {.spec = FavorSpec(false), .chunk = std::numeric_limits<int64_t>::max()});
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->num_keys()[0], kLength);
  EXPECT_EQ(num_outputs, kLength);
}

// What functions that answer OK and bring something else make of it.
class ShardsOfFunctions : public LongSequences {
 protected:
  ShardsOfFunctions() {
    inputs_ = {.key_length = 100,
               .query_length = 100,
               .keys = [this](int64_t begin,
                              int64_t count) { return OwnedRows(nullptr, &case_.keys, &case_.values, begin, count); },
               .queries = [this](int64_t begin,
                                 int64_t count) { return OwnedRows(&case_.queries, nullptr, nullptr, begin, count); },
               .put = [](int64_t, const client::Tensor&) { return absl::OkStatus(); }};
  }

  absl::Status Attend() {
    const auto servers = client::ConnectAll({}, {Address(0)});
    return client::AttendInShards(*servers, inputs_, {.spec = FavorSpec(false), .chunk = 64}).status();
  }

  void ExpectRefused(const std::string& why) {
    const absl::Status status = Attend();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(status.message(), why);
  }

  client::ShardedInputs inputs_;
};

TEST_F(ShardsOfFunctions, AreRefusedWithoutThem) {
  ASSERT_TRUE(Attend().ok()) << Attend();
  const client::ShardedInputs whole = inputs_;
  inputs_.keys = nullptr;
  ExpectRefused("the function keys is unset");
  inputs_ = whole;
  inputs_.queries = nullptr;
  ExpectRefused("the function queries is unset");
  inputs_ = whole;
  inputs_.put = nullptr;
  ExpectRefused("the function put is unset");
  inputs_.query_length = 0;  // the state alone is wanted
  inputs_.queries = nullptr;
  EXPECT_TRUE(Attend().ok()) << Attend();
  inputs_.query_length = -1;
  ExpectRefused("query_length is -1, the least is 0");
}

TEST_F(ShardsOfFunctions, AreRefusedWhenTheyBringTooLittle) {
  const client::ShardedInputs whole = inputs_;
  inputs_.keys = [](int64_t, int64_t) { return client::OwnedChunk(); };
  ExpectRefused("keys(0, 64) brought no keys");
  inputs_.keys = [&](int64_t begin, int64_t count) {
    absl::StatusOr<client::OwnedChunk> rows = whole.keys(begin, count);
    rows->values.reset();
    return rows;
  };
  ExpectRefused("keys(0, 64) brought no values");
  inputs_.keys = [&](int64_t begin, int64_t count) { return whole.keys(begin, count == 36 ? 35 : count); };
  ExpectRefused("keys(64, 36) brought keys of 35 tokens, asked for were 36");
  inputs_.keys = [&](int64_t begin, int64_t count) {
    absl::StatusOr<client::OwnedChunk> rows = whole.keys(begin, count);
    rows->values = std::move(whole.keys(begin, count - 1)->values);
    return rows;
  };
  ExpectRefused("keys(0, 64) brought values of 63 tokens, asked for were 64");
  inputs_ = whole;
  inputs_.queries = [](int64_t, int64_t) { return client::OwnedChunk(); };
  ExpectRefused("queries(0, 64) brought no queries");
  inputs_.queries = [&](int64_t begin, int64_t) { return whole.queries(begin, 1); };
  ExpectRefused("queries(0, 64) brought queries of 1 tokens, asked for were 64");
  inputs_.queries = [&](int64_t, int64_t) { return client::OwnedChunk{.queries = client::Tensor()}; };
  ExpectRefused("queries(0, 64) brought queries of 0 axes, must be 4");
}

TEST_F(LongSequences, ShardsOfAServerThatIsGoneAreDoneByOthers) {
  const std::vector<std::string> flags = {"--output", dir_.File("out.npy"), "--chunk", "37", "--parts",
                                          "6",        "--retries",          "2"};
  ASSERT_EQ(Run("shard", Files(), flags, AllAddresses()).exit_code, 0);
  const std::string expected = ReadWholeFile(dir_.File("out.npy"));
  Favord victim;
  victim.process().Signal(SIGKILL);
  const FavorRun run = Run("shard", Files(), flags, absl::StrCat(victim.address(), ",", Address(1), ",", Address(2)));
  ASSERT_EQ(run.exit_code, 0) << run.error;
  EXPECT_TRUE(ReadWholeFile(dir_.File("out.npy")) == expected);
  EXPECT_THAT(json::parse(run.out)["failures"].at(0).get<std::string>(), HasSubstr(victim.address()));
  EXPECT_LE(json::parse(run.out)["num_servers"], 2) << "one never answered";
  const FavorRun nobody = Run("shard", Files(), flags, victim.address());
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.error, HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(nobody.error, HasSubstr(absl::StrCat("is favord running at ", victim.address(), "?")));
}

TEST_F(LongSequences, ShardsOfAServerKilledInTheMiddleAreDoneByOthers) {
  Favord victim({.flags = {"--threads", "1"}});
  Relay relay(victim.address(), 250'000);  // of some 4 MB of answers: the server is killed before it has sent all
  const std::vector<std::string> shard = {
      "--synthetic",    "20000", "--heads", "4", "--head-dim", "32", "--chunk",     "100",
      "--num-features", "40",    "--seed",  "3", "--parts",    "4",  "--state-out", dir_.File("state"),
      "--json"};
  std::vector<std::string> arguments = {FAVOR_FAVOR_PATH, "shard", "--address",
                                        absl::StrCat(relay.address(), ",", Address(1))};
  arguments.insert(arguments.end(), shard.begin(), shard.end());
  arguments.insert(arguments.end(), {"--output", dir_.File("got.npy")});
  Process command({.arguments = arguments});
  ASSERT_TRUE(Eventually([&] { return relay.holds(); })) << command.err().text();
  victim.process().Signal(SIGKILL);
  relay.Release();
  ASSERT_EQ(command.AwaitExit(absl::Seconds(60)), 0) << command.err().text();
  EXPECT_FALSE(json::parse(command.out().text())["failures"].empty());
  std::vector<std::string> again = {"shard", "--address", Address(2), "--output", dir_.File("out.npy")};
  again.insert(again.end(), shard.begin(), shard.end());
  ASSERT_EQ(RunHere(again).exit_code, 0);
  EXPECT_TRUE(ReadWholeFile(dir_.File("got.npy")) == ReadWholeFile(dir_.File("out.npy")));
  EXPECT_EQ(client::AttentionState::Load(dir_.File("state"))->num_keys()[0], 20000);
}

TEST_F(LongSequences, ThatMakeNoSenseAreRefusedBeforeAnythingIsSent) {
  const auto refuses = [&](const std::string& command, const std::vector<std::string>& arguments,
                           const std::string& says) {
    std::vector<std::string> all = {command};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const FavorRun run = RunHere(all);
    EXPECT_EQ(run.exit_code, 2) << command;
    EXPECT_THAT(run.error, HasSubstr(says));
  };
  refuses("stream", {}, "give either --queries, --keys and --values, or --input, or --synthetic");
  refuses("stream", {"--synthetic", "0"}, "--synthetic is 0, the least is 1");
  refuses("stream", {"--synthetic", "5", "--input", "x.safetensors"}, "either tensors or --synthetic");
  refuses("stream", {"--input", "-", "--bidirectional"}, "--bidirectional needs all keys");
  refuses("stream", {"--synthetic", "5", "--resume"}, "--resume needs --checkpoint");
  refuses("stream", {"--synthetic", "5", "--chunk", "0"}, "--chunk is 0, the least is 1");
  refuses("stream", {"--synthetic", "5", "--checkpoint-every", "0"}, "--checkpoint-every is 0, the least is 1");
  refuses("stream", {"--synthetic", "5", "--output", "o.safetensors"}, "must end in .npy");
  refuses("stream", {"--input", "x.safetensors", "--heads", "3"}, "--heads is given, but the files say that");
  refuses("stream", {"--synthetic", "5", "--address", "a:1,,b:2"}, "addresses with commas between them");
  refuses("stream", {"--synthetic", "5", "--mode", "exact"}, "there is no flag --mode");
  refuses("stream", {"--synthetic", "5", "--answer-timeout", "0s"},
          "--answer-timeout is \"0s\", it must be a positive time");
  refuses("calibrate", {"--queries", "q.npy"}, "give either --queries and --keys, or --input");
  refuses("calibrate", {"--input", "i.safetensors", "--values", "v.npy"}, "there is no flag --values");
  refuses("stream", {"--synthetic", "9223372036854775807"},
          "--synthetic is 9223372036854775807, the most is 2147483647");
  refuses("shard", {"--synthetic", "10", "--chunk", "9223372036854775807"},
          "--chunk is 9223372036854775807, the most is 2147483647");
  refuses("stream", {"--input", "-", "--heads", "4294967296"}, "--heads is 4294967296, the most is 4294967295");
  refuses("stream", {"--input", "-", "--heads", "4294967295", "--head-dim", "4294967295"},
          "--chunk of 1 tokens with --heads 4294967295, --key-heads 4294967295, --head-dim 4294967295 and --value-dim "
          "4294967295 has 2.21361e+20 bytes, a message has at most 4294967295");
  refuses("stream", {"--input", "-", "--chunk", "1000000000"}, "--chunk of 1000000000 tokens with --heads 1");
  refuses("stream", {"--synthetic", "10", "--heads", "1000000000", "--head-dim", "1000000000"},
          "a message has at most");
  refuses("shard", {"--synthetic", "5", "--calls-per-server", "100000"},
          "--calls-per-server is 100000, the most is 1024");
  refuses("shard", {"--synthetic", "5", "--parts", "0"}, "--parts is 0, the least is 1");
  refuses("shard", {"--input", "-"}, "not standard input");
}

TEST_F(LongSequences, WhoseFilesDoNotFitSayWhy) {
  const auto fails = [&](const std::vector<std::string>& inputs, const std::vector<std::string>& flags,
                         const std::string& says) {
    const FavorRun run = Run("stream", inputs, flags);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.error, HasSubstr(says));
  };
  std::vector<std::string> uneven = Part(0, 100);
  uneven[5] = dir_.File("v.npy");
  fails(uneven, {}, "values have a length of 600, keys of 100");
  std::vector<std::string> short_queries = Files();
  Part(0, 100);
  short_queries[1] = dir_.File("pq.npy");
  fails(short_queries, {}, "queries have a length of 100, keys of 600: causal attention needs the same");
  fails(Files(), {"--state-in", dir_.Write("bad", "no state")}, "bad is no favor.v1.AttentionState");
  fails(Files(), {"--state-in", dir_.File("none")}, "none");
  fails(Files(), {"--output", dir_.File("no/folder.npy")}, "cannot open");
  ASSERT_EQ(Run("stream", Files(), {"--state-out", dir_.File("of600")}).exit_code, 0);
  fails(Part(0, 100), {"--checkpoint", dir_.File("of600"), "--resume"}, "of600 is of another input: it has 600");
}

}  // namespace
}  // namespace favor::testing
