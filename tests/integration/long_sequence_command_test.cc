// `favor stream` against servers that come and go.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attention_state.h"
#include "favor/format/npy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/long_sequences.h"
#include "tests/integration/harness/relay.h"
#include "tests/support/errors.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST_F(LongSequences, StreamedAreWhatAttendGives) {
  for (const bool causal : {true, false}) {
    std::vector<std::string> attend = {"--output", dir_.File("whole.npy")};
    if (causal) attend.push_back("--causal");
    const FavorRun whole = Run("attend", Files(), attend);
    ASSERT_EQ(whole.exit_code, 0) << whole.error;
    for (const std::string chunk : {"7", "100", "1000"}) {
      std::vector<std::string> flags = {"--output", dir_.File("out.npy"), "--chunk", chunk};
      if (!causal) flags.push_back("--bidirectional");
      const FavorRun run = Run("stream", Files(), flags);
      ASSERT_EQ(run.exit_code, 0) << run.error;
      EXPECT_LT(RelativeError(Output("out.npy"), Output("whole.npy")), 1e-5) << chunk;
      const json report = json::parse(run.out);
      EXPECT_EQ(report["num_tokens"], causal ? kLength : 2 * kLength);
      EXPECT_EQ(report["num_features"], 40);
      EXPECT_EQ(report["num_resumes"], 0);
    }
  }
}

TEST_F(LongSequences, InBothLayoutsAndTypesAreTheSame) {
  ASSERT_EQ(Run("stream", Files(), {"--output", dir_.File("out.npy")}).exit_code, 0);
  for (const std::string type : {"f16", "bf16"}) {
    const FavorRun run = Run("stream", Files(), {"--output", dir_.File("half.npy"), "--output-type", type});
    ASSERT_EQ(run.exit_code, 0) << run.error;
    EXPECT_LT(RelativeError(Output("half.npy"), Output("out.npy")), type == "f16" ? 1e-3 : 1e-2);
  }
  // Drawn by number, so that neither layout nor chunks matter.
  const std::vector<std::string> synthetic = {"--synthetic", "500", "--heads", "2", "--head-dim", "8"};
  ASSERT_EQ(Run("stream", synthetic, {"--output", dir_.File("a.npy"), "--chunk", "64"}).exit_code, 0);
  ASSERT_EQ(
      Run("stream", synthetic, {"--output", dir_.File("b.npy"), "--chunk", "64", "--layout", "batch_length_heads_dim"})
          .exit_code,
      0);
  const std::vector<float> a = Floats("a.npy"), b = Floats("b.npy");
  ASSERT_EQ(a.size(), b.size());
  double worst = 0;
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t i = 0; i < 500; ++i) {
      for (int64_t d = 0; d < 8; ++d) {
        worst = std::max<double>(worst, std::abs(a[(head * 500 + i) * 8 + d] - b[(i * 2 + head) * 8 + d]));
      }
    }
  }
  EXPECT_EQ(worst, 0);
}

TEST_F(LongSequences, ThroughPipesAreTheSameRows) {
  ASSERT_EQ(Run("stream", Files(), {"--output", dir_.File("out.npy"), "--chunk", "50"}).exit_code, 0);
  const std::vector<std::string> pipe = {"--input",    "-",  "--heads",     "4",  "--key-heads", "2",
                                         "--head-dim", "16", "--value-dim", "24", "--chunk",     "50"};
  const FavorRun run = Run("stream", pipe, {"--output", "-"}, Address(1), Piped());
  ASSERT_EQ(run.exit_code, 0) << run.error;
  const DoubleTensor expected = Output("out.npy");
  ASSERT_EQ(run.out.size(), expected.values.size() * sizeof(float));
  for (int64_t i = 0; i < kLength; ++i) {
    for (int64_t head = 0; head < 4; ++head) {
      float row[24];
      std::memcpy(row, run.out.data() + (i * 4 + head) * sizeof(row), sizeof(row));
      for (int d = 0; d < 24; ++d) ASSERT_EQ(row[d], expected.Row(0, head, i)[d]) << i;
    }
  }
  EXPECT_EQ(json::parse(run.error)["num_tokens"], kLength);

  // A file whose length is known at the end only.
  const FavorRun to_file = Run("stream", pipe, {"--output", dir_.File("piped.npy")}, Address(1), Piped());
  ASSERT_EQ(to_file.exit_code, 0) << to_file.error;
  const auto file = NpyFile::Open(dir_.File("piped.npy"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->tensor().shape, ::testing::ElementsAre(kLength, 4, 24));
  EXPECT_EQ(std::memcmp(file->tensor().data.data(), run.out.data(), run.out.size()), 0);

  const FavorRun cut = Run("stream", pipe, {}, Address(1), Piped().substr(0, 10'000));
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_THAT(cut.error, HasSubstr("standard input ends within token 17: it has 208 of its 576 bytes"));
}

TEST_F(LongSequences, ThroughPipesAsNpyAreTheSameRows) {
  const std::vector<std::string> pipe = {"--input",    "-",  "--heads",     "4",  "--key-heads", "2",
                                         "--head-dim", "16", "--value-dim", "24", "--chunk",     "50"};
  const FavorRun raw = Run("stream", pipe, {"--output", "-"}, Address(1), Piped());
  ASSERT_EQ(raw.exit_code, 0) << raw.error;
  const int64_t width = 4 * 16 + 2 * (16 + 24);
  const auto as_npy = [&](const std::string& dtype, std::vector<int64_t> shape) {
    return *NpyHeaderBytes(dtype, shape) + Piped();
  };
  const FavorRun run = Run("stream", pipe, {"--output", "-"}, Address(1), as_npy("F32", {kLength, width}));
  ASSERT_EQ(run.exit_code, 0) << run.error;
  EXPECT_TRUE(run.out == raw.out);
  EXPECT_EQ(json::parse(run.error)["num_tokens"], kLength);
  // What comes behind the array is not read.
  const FavorRun longer = Run("stream", pipe, {"--output", "-"}, Address(1), as_npy("F32", {kLength - 100, width}));
  EXPECT_TRUE(longer.out == raw.out.substr(0, raw.out.size() / kLength * (kLength - 100)));

  const struct {
    std::string input, says;
  } cases[] = {
      {as_npy("F32", {kLength + 1, width}), "standard input ends after 600 tokens, its header says 601"},
      {as_npy("F32", {kLength * 2, width / 2}), "standard input has shape [1200, 72], it must be [tokens, 144]"},
      {as_npy("F64", {kLength, width}), "standard input has numbers of type F64, they must be F32, F16 or BF16"},
      {as_npy("F32", {kLength, width}).substr(0, 40), "standard input: has a header of"},
  };
  for (const auto& [input, says] : cases) {
    const FavorRun refused = Run("stream", pipe, {}, Address(1), input);
    EXPECT_EQ(refused.exit_code, 1) << says;
    EXPECT_THAT(refused.error, HasSubstr(says));
  }
  const FavorRun other_type = Run("stream", pipe, {"--input-type", "f16"}, Address(1), as_npy("F32", {kLength, width}));
  EXPECT_THAT(other_type.error, HasSubstr("standard input has numbers of type F32, --input-type is F16"));
}

TEST_F(LongSequences, GoOnAtACheckpointOfAPipe) {
  const std::vector<std::string> pipe = {"--input",    "-",  "--heads",     "4",  "--key-heads", "2",
                                         "--head-dim", "16", "--value-dim", "24", "--chunk",     "50"};
  const FavorRun whole = Run("stream", pipe, {"--output", "-"}, Address(0), Piped());
  const std::string npy = *NpyHeaderBytes("F32", {kLength, 144}) + Piped();
  for (const std::string& input : {Piped(), npy}) {
    const std::string state = dir_.File("at.state");
    ASSERT_EQ(Run("stream", Part(0, 250), {"--chunk", "50", "--state-out", state}).exit_code, 0);
    const FavorRun rest = Run("stream", pipe, {"--output", "-", "--checkpoint", state, "--resume"}, Address(1), input);
    ASSERT_EQ(rest.exit_code, 0) << rest.error;
    EXPECT_TRUE(rest.out == whole.out.substr(whole.out.size() / kLength * 250));
  }
}

TEST_F(LongSequences, GoOnWhenTheServerFallsSilent) {
  const std::vector<std::string> synthetic = {"--synthetic", "20000", "--heads", "4",
                                              "--head-dim",  "32",    "--chunk", "100"};
  ASSERT_EQ(Run("stream", synthetic, {"--output", dir_.File("out.npy")}, Address(1)).exit_code, 0);
  Favord victim({.flags = {"--threads", "1"}});
  Relay relay(victim.address(), 300'000);  // of 10 MB of answers: the server falls silent before it has sent all
  std::vector<std::string> arguments = {FAVOR_FAVOR_PATH, "stream", "--address",
                                        absl::StrCat(relay.address(), ",", Address(2))};
  arguments.insert(arguments.end(), synthetic.begin(), synthetic.end());
  arguments.insert(arguments.end(), {"--num-features", "40", "--seed", "3", "--json", "--output", dir_.File("got.npy"),
                                     "--answer-timeout", "2s"});
  Process command({.arguments = arguments});
  ASSERT_TRUE(Eventually([&] { return relay.holds(); })) << command.err().text();
  victim.process().Signal(SIGSTOP);
  relay.Release();
  EXPECT_EQ(command.AwaitExit(absl::Seconds(60)), 0) << command.err().text();
  victim.process().Signal(SIGCONT);
  const json report = json::parse(command.out().text());
  EXPECT_EQ(report["num_resumes"], 1);
  EXPECT_THAT(report["breaks"].at(0).get<std::string>(), HasSubstr("the server owed an answer for 2s"));
  EXPECT_TRUE(ReadWholeFile(dir_.File("got.npy")) == ReadWholeFile(dir_.File("out.npy")));
}

TEST_F(LongSequences, TakeTheStatisticsThatCalibrateMeasured) {
  const std::vector<std::string> fitted = {"--estimator", "sderf", "--precondition"};
  const auto with = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), fitted.begin(), fitted.end());
    return flags;
  };
  const std::string statistics = dir_.File("statistics.json");
  std::vector<std::string> calibrate = {"calibrate", "--endpoint",       Address(1), "--queries", dir_.File("q.npy"),
                                        "--keys",    dir_.File("k.npy"), "--output", statistics};
  calibrate.insert(calibrate.end(), fitted.begin(), fitted.end());
  const FavorRun to_file = RunHere(calibrate);
  ASSERT_EQ(to_file.exit_code, 0) << to_file.error;
  EXPECT_THAT(to_file.out, HasSubstr("--estimator sderf --precondition"));
  EXPECT_THAT(to_file.out, HasSubstr("[1, 2, 600, 16]"));

  // They are what a bidirectional call measures itself.
  const FavorRun measured = Run("attend", Files(), with({}));
  ASSERT_EQ(measured.exit_code, 0) << measured.error;
  const json heads = json::parse(measured.out)["report"]["statistics"]["heads"];
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(json::parse(ReadWholeFile(statistics))["heads"], heads);
  calibrate.resize(7);
  calibrate.insert(calibrate.end(), fitted.begin(), fitted.end());
  EXPECT_EQ(json::parse(RunHere(calibrate).out)["heads"], heads);
  calibrate.push_back("--json");
  EXPECT_EQ(json::parse(RunHere(calibrate).out)["estimator"], "sderf");

  // And what causal calls and streams take.
  const FavorRun whole =
      Run("attend", Files(), with({"--causal", "--statistics", statistics, "--output", dir_.File("whole.npy")}));
  ASSERT_EQ(whole.exit_code, 0) << whole.error;
  const FavorRun stream = Run("stream", Files(), with({"--statistics", statistics, "--output", dir_.File("out.npy")}));
  ASSERT_EQ(stream.exit_code, 0) << stream.error;
  EXPECT_EQ(json::parse(stream.out)["projection_id"], json::parse(whole.out)["report"]["projection_id"]);
  EXPECT_LT(RelativeError(Output("out.npy"), Output("whole.npy")), 1e-5);
  const FavorRun shard = Run("shard", Files(), with({"--statistics", statistics}), AllAddresses());
  ASSERT_EQ(shard.exit_code, 0) << shard.error;
  EXPECT_EQ(json::parse(shard.out)["projection_id"], json::parse(measured.out)["report"]["projection_id"]);
  EXPECT_NE(json::parse(Run("stream", Files(), with({})).out)["projection_id"],
            json::parse(stream.out)["projection_id"]);

  const FavorRun useless =
      RunHere({"calibrate", "--endpoint", Address(1), "--queries", dir_.File("q.npy"), "--keys", dir_.File("k.npy")});
  EXPECT_EQ(useless.exit_code, 1);
  EXPECT_THAT(useless.error, HasSubstr("INVALID_ARGUMENT"));
  const FavorRun unwritable =
      RunHere({"calibrate", "--endpoint", Address(1), "--queries", dir_.File("q.npy"), "--keys", dir_.File("k.npy"),
               "--precondition", "--output", dir_.File("none/statistics.json")});
  EXPECT_EQ(unwritable.exit_code, 1);
  EXPECT_THAT(unwritable.error, HasSubstr("--output: cannot write"));
}

TEST_F(LongSequences, InTwoRunsWithAStateBetweenAreOne) {
  ASSERT_EQ(Run("stream", Files(), {"--output", dir_.File("out.npy"), "--chunk", "50"}).exit_code, 0);
  const FavorRun first = Run("stream", Part(0, 350), {"--chunk", "50", "--state-out", dir_.File("state")});
  ASSERT_EQ(first.exit_code, 0) << first.error;
  EXPECT_EQ(client::AttentionState::Load(dir_.File("state"))->num_keys()[0], 350);
  const FavorRun second =
      Run("stream", Part(350, 250), {"--chunk", "50", "--state-in", dir_.File("state"), "--output", dir_.File("b.npy")},
          Address(1));
  ASSERT_EQ(second.exit_code, 0) << second.error;
  const DoubleTensor expected = RowsOf(Output("out.npy"), 350, 250);
  const std::vector<float> floats = Floats("b.npy");
  EXPECT_TRUE(std::equal(floats.begin(), floats.end(), expected.values.begin(), expected.values.end()));

  const FavorRun other = Run("stream", Part(350, 250), {"--state-in", dir_.File("state"), "--seed", "4"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.error, HasSubstr("projection_id"));
}

TEST_F(LongSequences, GoOnWhenTheServerIsKilledAndEvenWhenTheCommandIs) {
  const std::vector<std::string> synthetic = {"--synthetic", "60000", "--heads", "4",
                                              "--head-dim",  "32",    "--chunk", "200"};
  ASSERT_EQ(Run("stream", synthetic, {"--output", dir_.File("out.npy")}, Address(1)).exit_code, 0);
  const std::string expected = ReadWholeFile(dir_.File("out.npy"));
  const std::string state = dir_.File("checkpoint");
  const auto checkpoint_keys = [&]() -> int64_t {
    const auto loaded = client::AttentionState::Load(state);
    return loaded.ok() ? loaded->num_keys()[0] : 0;
  };
  Favord victim({.flags = {"--threads", "1"}});
  std::vector<std::string> arguments = {FAVOR_FAVOR_PATH, "stream", "--address",
                                        absl::StrCat(victim.address(), ",", Address(2))};
  arguments.insert(arguments.end(), synthetic.begin(), synthetic.end());
  arguments.insert(arguments.end(), {"--num-features", "40", "--seed", "3", "--json", "--output", dir_.File("got.npy"),
                                     "--checkpoint", state, "--resume", "--checkpoint-every", "3"});
  {
    Process command({.arguments = arguments});
    ASSERT_TRUE(Eventually([&] { return checkpoint_keys() >= 4000; }, absl::Seconds(60))) << command.err().text();
    victim.process().Signal(SIGKILL);
    ASSERT_TRUE(Eventually([&] { return checkpoint_keys() >= 15'000; }, absl::Seconds(60))) << command.err().text();
    command.Signal(SIGKILL);
    command.AwaitExit(absl::Seconds(10));
  }
  const int64_t resumed_at = checkpoint_keys();
  Process command({.arguments = arguments});
  ASSERT_EQ(command.AwaitExit(absl::Seconds(60)), 0) << command.err().text();
  EXPECT_EQ(json::parse(command.out().text())["first_token"], resumed_at);
  EXPECT_TRUE(ReadWholeFile(dir_.File("got.npy")) == expected);
}

TEST_F(LongSequences, DoNotGoOnInAFileThatLacksWhatWasBefore) {
  const std::string state = dir_.File("checkpoint"), out = dir_.File("out.npy");
  const std::vector<std::string> flags = {"--output",           out, "--chunk", "50", "--checkpoint", state,
                                          "--checkpoint-every", "3", "--resume"};
  ASSERT_EQ(Run("stream", Files(), flags).exit_code, 0);
  const std::string whole = ReadWholeFile(out);
  ASSERT_EQ(unlink(out.c_str()), 0);
  for (int i = 0; i < 3; ++i) {  // gone, empty, cut
    const FavorRun run = Run("stream", Files(), flags);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.error, HasSubstr("out.npy lacks the output of the 600 tokens"));
    dir_.Write("out.npy", whole.substr(0, i == 0 ? 0 : whole.size() - 1));
  }
  // Of a bidirectional stream all queries are answered again, so nothing has to be there.
  const std::vector<std::string> both = {"--output", dir_.File("b.npy"), "--bidirectional",    "--chunk",
                                         "50",       "--checkpoint",     dir_.File("b.state"), "--resume"};
  ASSERT_EQ(Run("stream", Files(), both).exit_code, 0);
  const std::string expected = ReadWholeFile(dir_.File("b.npy"));
  ASSERT_EQ(unlink(dir_.File("b.npy").c_str()), 0);
  const FavorRun again = Run("stream", Files(), both);
  ASSERT_EQ(again.exit_code, 0) << again.error;
  EXPECT_TRUE(ReadWholeFile(dir_.File("b.npy")) == expected);
}

TEST_F(LongSequences, DoNotGoOnFromACheckpointOfAnotherBeginning) {
  const std::string state = dir_.File("before"), checkpoint = dir_.File("checkpoint");
  ASSERT_EQ(Run("stream", Part(0, 250), {"--chunk", "50", "--state-out", state}).exit_code, 0);
  ASSERT_EQ(Run("stream", Part(0, 100), {"--chunk", "50", "--state-out", checkpoint}).exit_code, 0);
  const FavorRun run = Run("stream", Part(250, 350), {"--state-in", state, "--checkpoint", checkpoint, "--resume"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.error,
              HasSubstr("checkpoint did not start from --state-in " + state + ": it has 100 keys, that has 250"));
}

TEST_F(LongSequences, DoNotOverwriteWhatTheyRead) {
  const std::string keys = ReadWholeFile(dir_.File("k.npy"));
  ASSERT_EQ(symlink(dir_.File("k.npy").c_str(), dir_.File("link.npy").c_str()), 0);
  for (const std::string command : {"stream", "shard"}) {
    const FavorRun run = Run(command, Files(), {"--output", dir_.File("link.npy")});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.error, HasSubstr("link.npy, which is an input"));
  }
  EXPECT_TRUE(ReadWholeFile(dir_.File("k.npy")) == keys);
}

TEST_F(LongSequences, WithoutKeysAreAnsweredWithZeros) {
  const std::vector<std::string> none = {"--queries",         dir_.File("q.npy"), "--keys",
                                         dir_.File("k0.npy"), "--values",         dir_.File("v0.npy")};
  WriteTensor("k0.npy", RowsOf(case_.keys, 0, 0));
  WriteTensor("v0.npy", RowsOf(case_.values, 0, 0));
  const FavorRun run = Run("stream", none, {"--bidirectional", "--output", dir_.File("out.npy")});
  ASSERT_EQ(run.exit_code, 0) << run.error;
  EXPECT_THAT(Floats("out.npy"), ::testing::Each(0.0f));
  EXPECT_EQ(json::parse(run.out)["degenerate_rows"], 4 * kLength);
}

}  // namespace
}  // namespace favor::testing
