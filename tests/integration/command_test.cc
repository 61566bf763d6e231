// The command `favor` against the server: what it writes can be read back, what it says is so.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/base/version.h"
#include "favor/format/npy.h"
#include "favor/format/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/sockets.h"
#include "tests/integration/harness/temp_dir.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/safetensors_file.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kRealInput = FAVOR_TEST_DATA_DIR "/qkv_rxnmapper_layer0.safetensors";

// The tensors of a case as .npy files.
struct NpyFiles {
  TempDir dir;
  std::string queries = dir.File("q.npy"), keys = dir.File("k.npy"), values = dir.File("v.npy");

  explicit NpyFiles(const AttentionCase& attention_case) {
    Write(queries, attention_case.queries);
    Write(keys, attention_case.keys);
    Write(values, attention_case.values);
  }

  static void Write(const std::string& path, const DoubleTensor& tensor) {
    const std::vector<float> floats(tensor.values.begin(), tensor.values.end());
    StoredTensor stored;
    stored.dtype = "F32";
    stored.shape = {tensor.shape.batch_size, tensor.shape.num_heads, tensor.shape.length, tensor.shape.dim};
    stored.data = {reinterpret_cast<const std::byte*>(floats.data()), floats.size() * sizeof(float)};
    const absl::Status status = WriteNpy(path, stored);
    ASSERT_TRUE(status.ok()) << status;
  }

  std::vector<std::string> Attend(const Favord& favord, const std::vector<std::string>& flags) const {
    std::vector<std::string> arguments = {"attend", "--endpoint", favord.address(), "--queries", queries,
                                          "--keys", keys,         "--values",       values};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return arguments;
  }
};

DoubleTensor ToDouble(const StoredTensor& stored) {
  DoubleTensor tensor({stored.shape.at(0), stored.shape.at(1), stored.shape.at(2), stored.shape.at(3)});
  const auto floats = ToFloat32(stored);
  EXPECT_TRUE(floats.ok()) << floats.status();
  for (size_t i = 0; i < tensor.values.size(); ++i) tensor.values[i] = floats->span()[i];
  return tensor;
}

AttentionCase ExactCase() {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  return GaussianCase(spec, {2, 4, 2, 33, 47, 16, 24}, nullptr, 5);
}

TEST(FavorAttend, OutputFilesOfBothFormatsHoldTheAnswer) {
  Favord favord;
  const AttentionCase attention_case = ExactCase();
  const NpyFiles files(attention_case);
  const DoubleTensor expected = Compute(OracleAttention(), attention_case)->output;

  const std::string npy = files.dir.File("out.npy");
  const Finished first = RunFavor(files.Attend(favord, {"--mode", "exact", "--output", npy}));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const auto npy_file = NpyFile::Open(npy);
  ASSERT_TRUE(npy_file.ok()) << npy_file.status();
  EXPECT_LE(RelativeError(ToDouble(npy_file->tensor()), expected), 1e-5);

  const std::string safetensors = files.dir.File("out.safetensors");
  const Finished second = RunFavor(files.Attend(favord, {"--mode", "exact", "--output", safetensors}));
  ASSERT_EQ(second.exit_code, 0) << second.err;
  // By a reader that is not the one of the library that wrote it.
  const auto read = ReadSafetensors(safetensors);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_LE(RelativeError(read->Rank4("output"), expected), 1e-5);
}

TEST(FavorAttend, OutputTypesAreWrittenAsTheyAreAndReadBackRight) {
  Favord favord;
  const AttentionCase attention_case = ExactCase();
  const NpyFiles files(attention_case);
  const DoubleTensor expected = Compute(OracleAttention(), attention_case)->output;
  for (const std::string type : {"f16", "bf16"}) {
    const std::string path = files.dir.File(type + ".safetensors");
    const Finished run = RunFavor(files.Attend(favord, {"--mode", "exact", "--output", path, "--output-type", type}));
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const auto file = favor::SafetensorsFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    const StoredTensor* output = file->Find("output");
    ASSERT_NE(output, nullptr);
    EXPECT_EQ(output->dtype, type == "f16" ? "F16" : "BF16");
    EXPECT_LE(RelativeError(ToDouble(*output), expected), type == "f16" ? 0x1p-11 + 1e-5 : 0x1p-8);
  }
}

TEST(FavorAttend, SafetensorsInputWithItsProjectionReproducesAGolden) {
  Favord favord;
  const TempDir dir;
  const std::string input = FAVOR_TEST_DATA_DIR "/attention_softmax_causal.safetensors";
  const std::string path = dir.File("out.safetensors");
  const Finished run = RunFavor(
      {"attend", "--endpoint", favord.address(), "--input", input, "--causal", "--epsilon-parity", "--output", path});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto output = ReadSafetensors(path);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_LE(RelativeError(output->Rank4("output"), ReadSafetensors(input)->Rank4("output")), 1e-5);
}

// Figures of --compare, from the oracle alone.
struct Comparison {
  double relative_error;
  double mean_of_values_error;
};

Comparison ExpectedComparison(const AttentionCase& attention_case, const DoubleTensor& answer) {
  AttentionCase exact_case = attention_case;
  exact_case.spec.mode = AttentionMode::kExact;
  const DoubleTensor exact = Compute(OracleAttention(), exact_case)->output;
  DoubleTensor mean(exact.shape);
  const AttentionShape shape = attention_case.shape();
  for (int64_t b = 0; b < shape.batch_size; ++b) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      for (int64_t i = 0; i < shape.query_length; ++i) {
        const int64_t seen = attention_case.spec.causal ? i + 1 : shape.key_length;
        for (int64_t j = 0; j < seen; ++j) {
          const auto row = attention_case.values.Row(b, h * shape.num_key_heads / shape.num_heads, j);
          for (int64_t c = 0; c < shape.value_dim; ++c) mean.Row(b, h, i)[c] += row[c] / static_cast<double>(seen);
        }
      }
    }
  }
  return {FrobeniusError(answer, exact), FrobeniusError(mean, exact)};
}

TEST(FavorAttend, CompareFiguresAreThoseOfTheOracle) {
  Favord favord;
  for (const bool causal : {false, true}) {
    SCOPED_TRACE(causal);
    AttentionSpec spec;
    spec.causal = causal;
    const AttentionCase attention_case = GaussianCase(spec, {2, 4, 2, 47, 47, 16, 24}, nullptr, 6, 0.7);
    const NpyFiles files(attention_case);
    const std::string path = files.dir.File("out.npy");
    std::vector<std::string> flags = {"--compare", "--json", "--output", path, "--seed", "3"};
    if (causal) flags.push_back("--causal");
    const Finished run = RunFavor(files.Attend(favord, flags));
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json comparison = json::parse(run.out).at("comparison");

    const auto answer = NpyFile::Open(path);
    ASSERT_TRUE(answer.ok()) << answer.status();
    const Comparison expected = ExpectedComparison(attention_case, ToDouble(answer->tensor()));
    EXPECT_NEAR(comparison.at("relative_error").get<double>(), expected.relative_error, 1e-4 * expected.relative_error);
    EXPECT_NEAR(comparison.at("mean_of_values_error").get<double>(), expected.mean_of_values_error,
                1e-4 * expected.mean_of_values_error);
  }
}

TEST(FavorAttend, CompareInExactModeFindsNoError) {
  Favord favord;
  const Finished run = RunFavor(
      {"attend", "--endpoint", favord.address(), "--input", kRealInput, "--mode", "exact", "--compare", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out).at("comparison").at("relative_error"), 0.0);
}

TEST(FavorAttend, JsonHoldsTheReport) {
  Favord favord;
  const Finished run = RunFavor({"attend", "--endpoint", favord.address(), "--input", kRealInput, "--json", "--seed",
                                 "18446744073709551615", "--num-features", "64"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json answer = json::parse(run.out);
  EXPECT_EQ(answer.at("output").at("shape"), json({1, 8, 356, 32}));
  const json& report = answer.at("report");
  EXPECT_EQ(report.at("num_features"), 64);
  EXPECT_EQ(report.at("projection_id").get<std::string>().size(), 32u);
  EXPECT_EQ(report.at("spec").at("features").at("projection").at("seed"), 18446744073709551615u);
  EXPECT_EQ(report.at("server_version"), std::string(kVersion));
  EXPECT_GT(report.at("compute_seconds").get<double>(), 0);
}

TEST(FavorAttend, OptionsReachTheServer) {
  Favord favord;
  const struct {
    std::vector<std::string> flags;
    std::vector<std::string> path;
    json value;
  } cases[] = {
      {{"--causal"}, {"causal"}, true},
      {{"--scale", "0.25"}, {"scale"}, 0.25},
      {{"--estimator", "hyperbolic"}, {"features", "estimator"}, "hyperbolic"},
      {{"--kernel", "elu_plus_one"}, {"features", "kernel"}, "elu_plus_one"},
      {{"--kernel", "generalized", "--nonlinearity", "gelu"}, {"features", "nonlinearity"}, "gelu"},
      {{"--kernel", "polynomial2", "--polynomial-offset", "0.5"}, {"features", "polynomial_offset"}, 0.5},
      {{"--projection", "iid"}, {"features", "projection", "kind"}, "iid"},
      {{"--projection", "structured"}, {"features", "projection", "kind"}, "structured"},
      {{"--row-norms", "sqrt_dim"}, {"features", "projection", "row_norms"}, "sqrt_dim"},
      {{"--feature-epsilon", "0.001"}, {"features", "epsilon_parity", "feature_epsilon"}, 0.001},
      {{"--num-features", "48"}, {"features", "num_features"}, 48},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(absl::StrCat(c.flags[0], " ", c.flags.back()));
    std::vector<std::string> arguments = {"attend", "--json", "--input", kRealInput};
    arguments.insert(arguments.end(), c.flags.begin(), c.flags.end());
    const Finished run = RunFavor(arguments, {"FAVOR_ENDPOINT=" + favord.address()});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json answer = json::parse(run.out);
    json spec = answer.at("report").at("spec");
    for (const std::string& name : c.path) spec = spec.at(name);
    EXPECT_EQ(spec, c.value);
  }
}

TEST(FavorAttend, ErrorsOfTheServerNameTheField) {
  Favord favord;
  const std::vector<std::string> arguments = {"attend",   "--endpoint",     favord.address(), "--input",
                                              kRealInput, "--num-features", "70000"};
  const Finished plain = RunFavor(arguments);
  EXPECT_EQ(plain.exit_code, 1);
  EXPECT_THAT(plain.err, AllOf(HasSubstr("spec.features.num_features is 70000"), HasSubstr("65536")));
  EXPECT_EQ(plain.out, "");

  std::vector<std::string> with_json = arguments;
  with_json.push_back("--json");
  const Finished as_json = RunFavor(with_json);
  EXPECT_EQ(as_json.exit_code, 1);
  const json error = json::parse(as_json.out).at("error");
  EXPECT_EQ(error.at("code"), "INVALID_ARGUMENT");
  EXPECT_EQ(error.at("field_violations").at(0).at("field"), "spec.features.num_features");
}

TEST(FavorAttend, ModeAutoTellsWhatRanAndWhy) {
  Favord favord;
  std::vector<std::string> arguments = {"attend", "--endpoint", favord.address(),       "--input", kRealInput,
                                        "--mode", "auto",       "--max-relative-error", "0.1"};
  const Finished run = RunFavor(arguments);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("exact softmax"), HasSubstr("because"), HasSubstr("exact attention:")));
  arguments.push_back("--json");
  const json report = json::parse(RunFavor(arguments).out).at("report");
  EXPECT_THAT(report.at("reason").get<std::string>(), HasSubstr("exact attention"));
}

TEST(FavorAttend, TheBestEstimatorIsNamedWithItsNumbers) {
  Favord favord;
  const NpyFiles files(GaussianCase({}, {1, 2, 2, 60, 60, 16, 16}, nullptr, 5));
  const Finished run = RunFavor(files.Attend(favord, {"--estimator", "best", "--num-features", "256"}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("anchors estimator, 12 anchors, 8 directions, 32 fit rows"));
}

TEST(FavorAttend, ABoundThatIsNoneIsToldByName) {
  Favord favord;
  const Finished run = RunFavor({"attend", "--endpoint", favord.address(), "--input", kRealInput, "--mode", "auto",
                                 "--max-relative-error", "-1"});
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("max"));
}

TEST(FavorAttend, FilesItCannotUseAreToldByName) {
  Favord favord;
  const TempDir dir;
  const std::string missing = dir.File("missing.safetensors");
  const std::string garbage = dir.Write("garbage.safetensors", "this is no tensor file");
  for (const std::string& input : {missing, garbage, dir.path()}) {
    const Finished run = RunFavor({"attend", "--endpoint", favord.address(), "--input", input});
    EXPECT_EQ(run.exit_code, 1) << input;
    EXPECT_THAT(run.err, HasSubstr(input));
  }
  const Finished unwritable = RunFavor(
      {"attend", "--endpoint", favord.address(), "--input", kRealInput, "--output", "/no/such/folder/out.npy"});
  EXPECT_EQ(unwritable.exit_code, 1);
  EXPECT_THAT(unwritable.err, HasSubstr("/no/such/folder/out.npy"));
}

TEST(FavorAttend, DeadlineIsHonoured) {
  Favord favord;
  AttentionSpec spec;
  const NpyFiles files(GaussianCase(spec, {1, 8, 1, 12'000, 12'000, 32, 32}, nullptr, 1));
  const Finished run = RunFavor(files.Attend(favord, {"--mode", "exact", "--deadline", "300ms"}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_LT(run.took, absl::Seconds(30));
}

TEST(FavorUsage, FlagsItDoesNotKnowAreRefused) {
  const std::vector<std::string> cases[] = {{"attend", "--inptu", "x"},
                                            {"attend", "--no-such-flag"},
                                            {"info", "stray"},
                                            {"health", "--deadline"},
                                            {"atend"},
                                            {},
                                            {"attend", "--causal=maybe", "--input", kRealInput},
                                            {"attend", "--scale", "wide", "--input", kRealInput},
                                            {"attend", "--kernel", "sofmax", "--input", kRealInput}};
  for (const std::vector<std::string>& arguments : cases) {
    const Finished run = RunFavor(arguments);
    EXPECT_EQ(run.exit_code, 2) << run.err;
    EXPECT_EQ(run.out, "");
    for (const std::string& argument : arguments) {
      if (argument == "--inptu" || argument == "--no-such-flag" || argument == "stray" || argument == "atend") {
        EXPECT_THAT(run.err, HasSubstr(argument));
      }
    }
  }
}

TEST(FavorUsage, HelpHasExamplesForEveryCommand) {
  for (const std::string command : {"attend", "info", "health"}) {
    const Finished run = RunFavor({command, "--help"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out,
                AllOf(HasSubstr("Examples"), HasSubstr("favor " + command), HasSubstr("--endpoint"),
                      HasSubstr("--json"), HasSubstr("--ca"), HasSubstr("--deadline"), HasSubstr("--retries")));
  }
  const Finished version = RunFavor({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, HasSubstr(std::string(kVersion)));
}

TEST(FavorInfo, TellsVersionAndLimits) {
  Favord favord({.flags = {"--max-message-size", "3MiB"}});
  const Finished text = RunFavor({"info", "--endpoint", favord.address()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr(std::string(kVersion)), HasSubstr("3 MiB")));
  const Finished as_json = RunFavor({"info", "--endpoint", favord.address(), "--json"});
  ASSERT_EQ(as_json.exit_code, 0) << as_json.err;
  EXPECT_EQ(json::parse(as_json.out).at("limits").at("max_message_bytes"), 3 << 20);
}

TEST(FavorHealth, ExitCodeIsZeroOnlyWhileServing) {
  Favord favord({.flags = {"--drain-delay", "1h"}});
  ASSERT_TRUE(favord.AwaitServing());
  const auto health = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"health", "--endpoint", favord.address()});
    return RunFavor(flags);
  };
  const Finished serving = health({});
  EXPECT_EQ(serving.exit_code, 0) << serving.err;
  EXPECT_THAT(serving.out, HasSubstr("SERVING"));
  EXPECT_EQ(health({"--service", "favor.v1.AttentionService"}).exit_code, 0);
  EXPECT_EQ(health({"--service", "favor.v1.NoSuchService"}).exit_code, 1);
  const Finished as_json = health({"--json"});
  EXPECT_EQ(json::parse(as_json.out).at("status"), "SERVING");

  favord.process().Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return health({}).exit_code == 1; }));
  EXPECT_THAT(health({}).out, HasSubstr("NOT_SERVING"));
  EXPECT_EQ(health({"--service", "liveness"}).exit_code, 0);
}

TEST(FavorHealth, NobodyThereIsKnownQuickly) {
  std::string address;
  {
    const BusyPort port;
    address = port.address();
  }
  const Finished refused = RunFavor({"health", "--endpoint", address});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr(address));
  EXPECT_LT(refused.took, absl::Seconds(15)) << "half of the deadline that holds unless another is given";

  // Somebody is there and says nothing.
  const BusyPort silent;
  const Finished unanswered = RunFavor({"health", "--endpoint", silent.address(), "--deadline", "500ms"});
  EXPECT_EQ(unanswered.exit_code, 1);
  EXPECT_LT(unanswered.took, absl::Seconds(15));
}

TEST(FavorConnection, UnixSocketsWork) {
  const TempDir dir;
  Favord favord({.addresses = {"unix:" + dir.File("s")}});
  EXPECT_EQ(RunFavor({"health", "--endpoint", favord.address()}).exit_code, 0);
  const Finished attend = RunFavor({"attend", "--endpoint", favord.address(), "--input", kRealInput});
  EXPECT_EQ(attend.exit_code, 0) << attend.err;
}

TEST(FavorConnection, RetriesUntilTheServerHasRoom) {
  // A server that admits one call: others are told when to come back, and do.
  Favord favord({.flags = {"--max-calls", "1", "--threads", "1"}});
  const NpyFiles files(GaussianCase({}, {1, 4, 1, 4000, 4000, 32, 32}, nullptr, 1));
  const std::vector<std::string> arguments = files.Attend(favord, {"--mode", "exact", "--retries", "100", "--json"});
  ProcessOptions options{.arguments = arguments};
  options.arguments.insert(options.arguments.begin(), FAVOR_FAVOR_PATH);
  Process first(options), second(options), third(options);
  for (Process* process : {&first, &second, &third}) {
    EXPECT_EQ(process->AwaitExit(absl::Seconds(60)), 0) << process->err().text();
  }
}

}  // namespace
}  // namespace favor::testing
