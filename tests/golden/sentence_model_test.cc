// Whole model folders as sentence-transformers saves them: ids and vectors are those that it gives.
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "favor/format/json.h"
#include "favor/model/embed_input.h"
#include "favor/model/embedder.h"
#include "favor/model/model.h"
#include "gtest/gtest.h"
#include "tests/support/model_golden.h"

namespace favor::testing {
namespace {

// float32 against float64: sentence-transformers itself, run in float32, is off by 1e-6 on these.
constexpr double kTolerance = 1e-5;

struct Case {
  std::string prompt_name;
  std::string text;
  std::vector<int32_t> ids;
  std::vector<double> vector;
};

std::vector<Case> ReadCases(const std::string& folder) {
  std::vector<Case> cases;
  const JsonValue golden = ReadJsonFile(folder + "/golden.json", 1 << 20).value();
  for (const JsonValue& entry : *golden.Find("cases")->array()) {
    Case& each = cases.emplace_back();
    if (const std::string* name = entry.Find("prompt_name")->string(); name != nullptr) each.prompt_name = *name;
    each.text = *entry.Find("text")->string();
    for (const JsonValue& id : *entry.Find("ids")->array()) each.ids.push_back(static_cast<int32_t>(*id.integer()));
    for (const JsonValue& value : *entry.Find("vector")->array()) {
      each.vector.push_back(std::get<double>(value.value));
    }
  }
  return cases;
}

class SentenceModelGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(SentenceModelGolden, IdsAndVectorsAreThoseOfSentenceTransformers) {
  const std::string folder = std::string(FAVOR_TEST_DATA_DIR "/models/sentence/") + GetParam();
  const auto loaded = LoadModel(folder);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const std::shared_ptr<const Model>& model = *loaded;
  const std::vector<Case> cases = ReadCases(folder);
  ASSERT_GE(cases.size(), 6u);
  for (const Case& each : cases) {
    SCOPED_TRACE(each.prompt_name + ": " + each.text);
    const std::string name = each.prompt_name.empty() ? model->default_prompt : each.prompt_name;
    const std::string prompt = name.empty() ? "" : model->prompts.at(name);
    const auto input = PrepareText(*model, prompt, each.text, {OverLength::kTruncateRight, {}});
    ASSERT_TRUE(input.ok()) << input.status();
    EXPECT_EQ(input->windows[0], each.ids);
    const PoolOptions options{model->pooling, model->normalizes, 0};
    ASSERT_EQ(EmbedDimensions(*model, options), static_cast<int64_t>(each.vector.size()));
    std::vector<float> vector(each.vector.size());
    const auto job = PlanEmbed(model, {{&*input, options, vector.data()}}, nullptr, nullptr);
    ASSERT_TRUE(job.ok()) << job.status();
    ASSERT_TRUE(RunInline(*job).ok());
    EXPECT_LT(RelativeError(vector, each.vector), kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, SentenceModelGolden,
                         ::testing::Values("bge", "dense", "distilbert", "flagged", "gte", "gte_long", "joined",
                                           "lowered", "modernbert", "mpnet", "multilingual_e5", "nomic", "qwen",
                                           "roberta"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace favor::testing
