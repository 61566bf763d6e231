#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/console.h"
#include "client/cli/json.h"
#include "client/tensor.h"
#include "favor/format/npy.h"
#include "favor/format/safetensors.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeServer;
using favor::testing::FavorRun;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRealInput[] = FAVOR_TEST_DATA_DIR "/qkv_rxnmapper_layer0.safetensors";

// Runs `favor attend` against a fake server whose exact answer is `values`, and whose approximate answer is `values`
// with every entry scaled by `factor_`.
class AttendCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / absl::StrCat("favor_attend_", getpid());
    std::filesystem::create_directories(folder_);
    server_.OnAttend([this](const v1::AttendRequest& request, v1::AttendResponse* response) {
      *response->mutable_output() = request.values();
      *response->mutable_report()->mutable_spec() = request.spec();
      response->mutable_report()->set_projection_id("0123abcd");
      if (request.spec().has_features()) Scale(response->mutable_output());
      requests_.push_back(request);
      return grpc::Status::OK;
    });
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Scale(v1::Tensor* tensor) const {
    std::string* data = tensor->mutable_data();
    for (size_t at = 0; at < data->size(); at += sizeof(float)) {
      float value;
      std::memcpy(&value, data->data() + at, sizeof(value));
      value *= factor_;
      std::memcpy(data->data() + at, &value, sizeof(value));
    }
  }

  std::string Path(const std::string& name) const { return folder_ / name; }

  FavorRun Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"attend", "--endpoint", server_.endpoint()});
    return favor::testing::RunFavor(arguments);
  }

  std::string WriteNpyFile(const std::string& name, const std::vector<float>& values, std::vector<int64_t> shape) {
    const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()), values.size() * 4);
    EXPECT_TRUE(WriteNpy(Path(name), {.name = "", .dtype = "F32", .shape = std::move(shape), .data = bytes}).ok());
    return Path(name);
  }

  float factor_ = 1.1f;
  std::vector<v1::AttendRequest> requests_;
  std::filesystem::path folder_;
  FakeServer server_;
};

TEST_F(AttendCommand, ComparesRealInputWithExactAndWithTheMean) {
  const FavorRun run = Run({"--input", kRealInput, "--compare", "--json"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  const Json json = Json::parse(run.out);
  // Every entry is off by a tenth; float32 rounds the factor.
  EXPECT_NEAR(json["comparison"]["relative_error"].get<double>(), 0.1, 1e-6);
  EXPECT_TRUE(json["comparison"]["better_than_mean_of_values"].get<bool>());
  EXPECT_GT(json["comparison"]["mean_of_values_error"].get<double>(), 0.5);
  EXPECT_THAT(json["output"]["shape"].get<std::vector<int>>(), ElementsAre(1, 8, 356, 32));
  EXPECT_EQ(json["output"]["first_rows"].size(), 4u);
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_TRUE(requests_[0].spec().has_features());
  EXPECT_TRUE(requests_[1].spec().has_exact());
  EXPECT_EQ(requests_[1].output_type(), v1::DATA_TYPE_F32);
}

TEST_F(AttendCommand, SaysWhenTheAnswerIsNoBetterThanTheMean) {
  factor_ = 5;
  const FavorRun run = Run({"--input", kRealInput, "--compare"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_THAT(run.out, HasSubstr("no better than the mean of the values"));
  factor_ = 1;
  EXPECT_THAT(Run({"--input", kRealInput, "--compare"}).out, Not(HasSubstr("no better than")));
}

TEST_F(AttendCommand, CallsADefinedAttentionNoError) {
  const FavorRun run = Run({"--input", kRealInput, "--compare", "--kernel", "elu_plus_one"});
  EXPECT_THAT(run.out, HasSubstr("the elu_plus_one kernel defines an attention of its own"));
}

TEST_F(AttendCommand, PrintsOutputReportAndTimes) {
  const FavorRun run = Run({"--input", kRealInput});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  for (const char* part : {"queries", "[1, 8, 356, 32] f32", "row 3", "id 0123abcd", "degenerate rows", "round trip",
                           "queue", "compute", "throughput"}) {
    EXPECT_THAT(run.out, HasSubstr(part));
  }
  EXPECT_EQ(run.error, "");
}

TEST_F(AttendCommand, NpyFilesGoInAndComeOutWithTheirOwnAxes) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string path = WriteNpyFile("t.npy", values, {3, 2});
  factor_ = 1;
  const FavorRun run =
      Run({"--queries", path, "--keys", path, "--values", path, "--output", Path("out.npy"), "--rows", "1"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_THAT(requests_.at(0).queries().shape(), ElementsAre(1, 1, 3, 2));
  const auto output = NpyFile::Open(Path("out.npy"));
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(output->tensor().shape, ElementsAre(3, 2));
  EXPECT_EQ(client::ToFloat32({.type = DataType::kFloat32, .shape = {3, 2}, .bytes = output->tensor().data}), values);
}

TEST_F(AttendCommand, MayReplaceAnInputByItsOutput) {
  const std::vector<float> values = {1, 2, 3, 5, 8, 13};
  const std::string path = WriteNpyFile("t.npy", values, {3, 2});
  factor_ = 2;
  const auto comparison = [&](const std::string& output) {
    const FavorRun run =
        Run({"--queries", path, "--keys", path, "--values", path, "--output", output, "--compare", "--json"});
    EXPECT_EQ(run.exit_code, kExitOk) << run.error;
    Json json = Json::parse(run.out)["comparison"];
    json.erase("exact_round_trip_seconds");
    return json;
  };
  const Json expected = comparison(Path("out.npy"));
  EXPECT_EQ(comparison(path), expected);
  const auto output = NpyFile::Open(path);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(client::ToFloat32({.type = DataType::kFloat32, .shape = {3, 2}, .bytes = output->tensor().data}),
            std::vector<float>({2, 4, 6, 10, 16, 26}));
}

TEST_F(AttendCommand, LeavesAnOutputThatItCannotWriteAsItWas) {
  const std::string path = WriteNpyFile("t.npy", {1, 2}, {1, 2});
  const FavorRun run =
      Run({"--queries", path, "--keys", path, "--values", path, "--output", Path("no/folder/out.npy")});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("no/folder/out.npy"));
}

TEST_F(AttendCommand, SafetensorsOutputSaysWhatRan) {
  ASSERT_EQ(Run({"--input", kRealInput, "--output", Path("out.safetensors")}).exit_code, kExitOk);
  const auto output = SafetensorsFile::Open(Path("out.safetensors"));
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(output->Find("output")->shape, ElementsAre(1, 8, 356, 32));
  EXPECT_EQ(output->contents().metadata.at("projection_id"), "0123abcd");
}

TEST_F(AttendCommand, EveryFlagReachesTheRequest) {
  const std::string matrix = WriteNpyFile("w.npy", std::vector<float>(8 * 32, 1.0f), {8, 32});
  std::ofstream(Path("s.json")) << R"({"heads": [{"key_shift": [1, 2.5], "proposal": [3], "anchors": [4]}]})";
  const FavorRun run = Run({"--input",
                            kRealInput,
                            "--causal",
                            "--scale",
                            "0.5",
                            "--layout",
                            "batch_heads_length_dim",
                            "--precision",
                            "bf16",
                            "--query-lengths",
                            "5",
                            "--key-lengths",
                            "6",
                            "--query-offsets",
                            "0,5",
                            "--key-offsets",
                            "0,6",
                            "--output-type",
                            "f16",
                            "--measure-error-rows",
                            "32",
                            "--kernel",
                            "generalized",
                            "--estimator",
                            "hyperbolic",
                            "--num-features",
                            "8",
                            "--projection",
                            "supplied",
                            "--row-norms",
                            "sqrt_dim",
                            "--seed",
                            "18446744073709551615",
                            "--projection-matrix",
                            matrix,
                            "--nonlinearity",
                            "gelu",
                            "--polynomial-offset",
                            "2",
                            "--feature-epsilon",
                            "0.001",
                            "--causal-epsilon",
                            "0",
                            "--statistics",
                            Path("s.json"),
                            "--antithetic",
                            "--precondition",
                            "--num-exact-keys",
                            "1",
                            "--num-anchors",
                            "2",
                            "--num-fit-rows",
                            "3"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  v1::AttendRequest request = requests_.at(0);
  for (v1::Tensor* tensor : {request.mutable_queries(), request.mutable_keys(), request.mutable_values(),
                             request.mutable_spec()->mutable_features()->mutable_projection()->mutable_matrix()}) {
    tensor->Clear();
  }
  EXPECT_EQ(
      request.ShortDebugString(),
      "queries { } keys { } values { } spec { causal: true scale: 0.5 layout: LAYOUT_BATCH_HEADS_LENGTH_DIM "
      "features { kernel: KERNEL_GENERALIZED estimator: ESTIMATOR_HYPERBOLIC num_features: 8 "
      "projection { kind: PROJECTION_KIND_SUPPLIED row_norms: ROW_NORMS_SQRT_DIM seed: 18446744073709551615 "
      "matrix { } } nonlinearity: NONLINEARITY_GELU polynomial_offset: 2 "
      "epsilon_parity { feature_epsilon: 0.001 causal_epsilon: 0 } "
      "statistics { heads { key_shift: 1 key_shift: 2.5 proposal: 3 anchors: 4 } } antithetic: true precondition: true "
      "num_exact_keys: 1 num_anchors: 2 num_fit_rows: 3 } precision: PRECISION_BF16 } "
      "query_lengths: 5 key_lengths: 6 query_offsets: 0 query_offsets: 5 key_offsets: 0 key_offsets: 6 "
      "output_type: DATA_TYPE_F16 measure_error_rows: 32");
}

TEST_F(AttendCommand, TheMatrixOfTheInputGivesWayToANamedProjection) {
  const std::string input = FAVOR_TEST_DATA_DIR "/attention_relu_bidirectional.safetensors";
  ASSERT_EQ(Run({"--input", input}).exit_code, kExitOk);
  EXPECT_THAT(requests_.back().spec().features().projection().matrix().shape(), ElementsAre(40, 16));
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"--seed", "1"}, {"--projection", "iid"}, {"--kernel", "elu_plus_one"}, {"--mode", "exact"}}) {
    std::vector<std::string> arguments = {"--input", input};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    ASSERT_EQ(Run(arguments).exit_code, kExitOk) << flags[0];
    EXPECT_FALSE(requests_.back().spec().features().projection().has_matrix()) << flags[0];
  }
}

TEST_F(AttendCommand, ErrorsOfTheServerAreShownWholly) {
  server_.OnAttend([](auto&, auto*) {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field("keys.shape");
    bad_request.mutable_field_violations(0)->set_description("head_dim is 48");
    return favor::testing::StatusWithDetail(grpc::StatusCode::INVALID_ARGUMENT, "malformed", bad_request);
  });
  const FavorRun run = Run({"--input", kRealInput, "--json"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("favor attend: INVALID_ARGUMENT: malformed\n  keys.shape: head_dim is 48\n"));
  const Json error = Json::parse(run.out)["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["field_violations"][0]["field"], "keys.shape");
}

TEST_F(AttendCommand, AFileThatIsNotThereFailsWithItsName) {
  const FavorRun run = Run({"--input", Path("absent.safetensors")});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("absent.safetensors"));
  EXPECT_EQ(server_.num_attend_calls(), 0);
}

}  // namespace
}  // namespace favor::cli
