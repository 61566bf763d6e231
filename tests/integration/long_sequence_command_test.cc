// `favor stream` and `favor shard` against servers that come and go.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attention_state.h"
#include "client/cli/commands.h"
#include "favor/format/npy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/temp_dir.h"
#include "tests/support/errors.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr int64_t kLength = 600;

struct FavorRun {
  int exit_code = -1;
  std::string out, error;
};

// Runs the command in this process, `input` on its standard input.
FavorRun RunHere(const std::vector<std::string>& arguments, const std::string& input = "") {
  std::ostringstream out, error;
  std::istringstream in(input);
  const int exit_code = cli::RunFavor(arguments, {out, error, false, in});
  return {exit_code, out.str(), error.str()};
}

StoredTensor Stored(const std::vector<float>& floats, std::vector<int64_t> shape) {
  StoredTensor stored;
  stored.dtype = "F32";
  stored.shape = std::move(shape);
  stored.data = {reinterpret_cast<const std::byte*>(floats.data()), floats.size() * sizeof(float)};
  return stored;
}

class LongSequences : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (int i = 0; i < 3; ++i) favords_.push_back(new Favord({.flags = {"--threads", "1"}}));
  }
  static void TearDownTestSuite() {
    for (Favord* favord : favords_) delete favord;
    favords_.clear();
  }

  LongSequences() : case_(GaussianCase({}, {1, 4, 2, kLength, kLength, 16, 24}, nullptr, 5)) {
    WriteTensor("q.npy", case_.queries);
    WriteTensor("k.npy", case_.keys);
    WriteTensor("v.npy", case_.values);
  }

  void WriteTensor(const std::string& name, const DoubleTensor& tensor) const {
    const std::vector<float> floats(tensor.values.begin(), tensor.values.end());
    const Shape& shape = tensor.shape;
    ASSERT_TRUE(
        WriteNpy(dir_.File(name), Stored(floats, {shape.batch_size, shape.num_heads, shape.length, shape.dim})).ok());
  }
  // Rows [begin, begin + count) of the three, as other files.
  std::vector<std::string> Part(int64_t begin, int64_t count) const {
    WriteTensor("pq.npy", RowsOf(case_.queries, begin, count));
    WriteTensor("pk.npy", RowsOf(case_.keys, begin, count));
    WriteTensor("pv.npy", RowsOf(case_.values, begin, count));
    return {"--queries", dir_.File("pq.npy"), "--keys", dir_.File("pk.npy"), "--values", dir_.File("pv.npy")};
  }
  std::vector<std::string> Files() const {
    return {"--queries", dir_.File("q.npy"), "--keys", dir_.File("k.npy"), "--values", dir_.File("v.npy")};
  }

  static std::string Address(size_t i) { return favords_[i]->address(); }
  static std::string AllAddresses() { return absl::StrCat(Address(0), ",", Address(1), ",", Address(2)); }

  // A command on files, a server or a list of them, and whatever else.
  FavorRun Run(const std::string& command, std::vector<std::string> inputs, const std::vector<std::string>& flags,
               const std::string& address = Address(0), const std::string& piped = "") const {
    std::vector<std::string> arguments = {command, command == "attend" ? "--endpoint" : "--address", address};
    arguments.insert(arguments.end(), inputs.begin(), inputs.end());
    arguments.insert(arguments.end(), {"--num-features", "40", "--seed", "3", "--json"});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return RunHere(arguments, piped);
  }

  // What a file holds, in float32.
  std::vector<float> Floats(const std::string& name) const {
    const auto file = NpyFile::Open(dir_.File(name));
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) return {};
    const auto floats = ToFloat32(file->tensor());
    EXPECT_TRUE(floats.ok());
    return {floats->span().begin(), floats->span().end()};
  }
  DoubleTensor Output(const std::string& name) const {
    DoubleTensor tensor({1, 4, kLength, 24});
    const std::vector<float> floats = Floats(name);
    EXPECT_EQ(floats.size(), tensor.values.size());
    if (floats.size() == tensor.values.size()) tensor.values.assign(floats.begin(), floats.end());
    return tensor;
  }

  // Token by token, as a pipe brings them.
  std::string Piped() const {
    std::string bytes;
    for (int64_t i = 0; i < kLength; ++i) {
      for (const DoubleTensor* tensor : {&case_.queries, &case_.keys, &case_.values}) {
        for (int64_t head = 0; head < tensor->shape.num_heads; ++head) {
          for (const double value : tensor->Row(0, head, i)) {
            const float f = static_cast<float>(value);
            bytes.append(reinterpret_cast<const char*>(&f), sizeof(f));
          }
        }
      }
    }
    return bytes;
  }

  static std::vector<Favord*> favords_;
  const TempDir dir_;
  const AttentionCase case_;
};
std::vector<Favord*> LongSequences::favords_;

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
  std::vector<std::string> arguments = {FAVOR_FAVOR_PATH, "stream", "--address",
                                        absl::StrCat(victim.address(), ",", Address(2))};
  arguments.insert(arguments.end(), synthetic.begin(), synthetic.end());
  arguments.insert(arguments.end(), {"--num-features", "40", "--seed", "3", "--json", "--output", dir_.File("got.npy"),
                                     "--answer-timeout", "1s"});
  Process command({.arguments = arguments});
  ASSERT_TRUE(Eventually([&] {
    return victim.Metrics().Sum("grpc_server_msg_sent_total", {{"grpc_method", "AttendStream"}}) >= 5;
  })) << command.err().text();
  victim.process().Signal(SIGSTOP);
  EXPECT_EQ(command.AwaitExit(absl::Seconds(60)), 0) << command.err().text();
  victim.process().Signal(SIGCONT);
  const json report = json::parse(command.out().text());
  EXPECT_EQ(report["num_resumes"], 1);
  EXPECT_THAT(report["breaks"].at(0).get<std::string>(), HasSubstr("the server owed an answer for 1s"));
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
  const FavorRun nobody = Run("shard", Files(), flags, victim.address());
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.error, HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(nobody.error, HasSubstr(absl::StrCat("is favord running at ", victim.address(), "?")));
}

TEST_F(LongSequences, ShardsOfAServerKilledInTheMiddleAreDoneByOthers) {
  Favord victim({.flags = {"--threads", "1"}});
  const std::vector<std::string> shard = {
      "--synthetic",    "20000", "--heads", "4", "--head-dim", "32", "--chunk",     "100",
      "--num-features", "40",    "--seed",  "3", "--parts",    "4",  "--state-out", dir_.File("state"),
      "--json"};
  std::vector<std::string> arguments = {FAVOR_FAVOR_PATH, "shard", "--address",
                                        absl::StrCat(victim.address(), ",", Address(1))};
  arguments.insert(arguments.end(), shard.begin(), shard.end());
  arguments.insert(arguments.end(), {"--output", dir_.File("got.npy")});
  Process command({.arguments = arguments});
  ASSERT_TRUE(Eventually([&] {
    return victim.Metrics().Sum("grpc_server_handled_total", {{"grpc_method", "Fold"}}) >= 5;
  }));
  victim.process().Signal(SIGKILL);
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
