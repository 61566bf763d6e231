// Sequences that an encoder refuses, and very long ones that it takes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "favor/model/embed_input.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/support/model_golden.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using Ids = std::vector<int32_t>;
using ::testing::HasSubstr;

std::shared_ptr<const Model> LoadGolden(const std::string& golden) { return GoldenModelFolder(golden).Load().value(); }

Ids RandomIds(int64_t length, int64_t vocabulary_size, uint64_t seed) {
  Random random(seed);
  Ids ids(length);
  for (int32_t& id : ids) id = static_cast<int32_t>(random.Integer(0, vocabulary_size - 1));
  return ids;
}

// max |a - b| / max |b| over the first `size` values.
double Difference(const std::vector<float>& a, const std::vector<float>& b, size_t size) {
  if (a.size() < size || b.size() < size) return std::numeric_limits<double>::infinity();
  double difference = 0, scale = 0;
  for (size_t i = 0; i < size; ++i) {
    if (!std::isfinite(a[i])) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::abs(double{a[i]} - b[i]));
    scale = std::max(scale, std::abs(double{b[i]}));
  }
  return difference / scale;
}

TEST(EncoderSequence, IdsOutsideTheVocabularyAreRefused) {
  for (const char* golden : {"bert/relu", "performer/rotary", "performer/absolute"}) {
    const auto model = LoadGolden(golden);
    const auto last = static_cast<int32_t>(model->encoder->vocabulary_size() - 1);
    EXPECT_TRUE(model->encoder->CheckSequence(Ids{0, last}).ok());
    for (const int32_t id : {-1, last + 1, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
      EXPECT_THAT(std::string(model->encoder->CheckSequence(Ids{0, id}).message()), HasSubstr("ids[1] is"));
      EXPECT_THAT(std::string(PrepareIds(*model, Ids{0, id}, {}).status().message()), HasSubstr("ids[1] is"));
    }
    EXPECT_FALSE(model->encoder->CheckSequence({}).ok());
    EXPECT_FALSE(PrepareIds(*model, {}, {}).ok());
  }
}

TEST(EncoderSequence, MoreTokensThanThereArePositionsAreRefusedOrCut) {
  for (const char* golden : {"bert/relu", "performer/absolute", "performer/axial"}) {
    const auto model = LoadGolden(golden);
    const int64_t most = model->encoder->max_tokens();
    ASSERT_GT(most, 0) << golden;
    const Ids ids(most + 1, 1);
    EXPECT_TRUE(model->encoder->CheckSequence(absl::MakeConstSpan(ids).subspan(1)).ok());
    EXPECT_FALSE(model->encoder->CheckSequence(ids).ok());
    EXPECT_FALSE(PrepareIds(*model, ids, {OverLength::kRefuse, {}}).ok());
    const Ids many = RandomIds(5 * most, model->encoder->vocabulary_size(), 1);
    for (const OverLength way : {OverLength::kTruncateRight, OverLength::kTruncateLeft, OverLength::kWindows}) {
      const auto input = PrepareIds(*model, many, {way, {}});
      ASSERT_TRUE(input.ok()) << input.status();
      for (const Ids& window : input->windows) EXPECT_TRUE(model->encoder->CheckSequence(window).ok());
      EXPECT_TRUE(Encode(*model->encoder, input->windows).ok());
      EXPECT_EQ(input->windows.size() > 1, way == OverLength::kWindows);
    }
  }
}

TEST(EncoderSequence, WindowsOfATextHaveTheSpecialTokensAndFitTheEncoder) {
  const auto model = LoadGolden("bert/relu");
  std::string text;
  for (int i = 0; i < 500; ++i) text += "the protein binds. ";
  EXPECT_FALSE(PrepareText(*model, "", text, {OverLength::kRefuse, {}}).ok());
  const auto input = PrepareText(*model, "", text, {OverLength::kWindows, {}});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_GT(input->windows.size(), 30);
  for (const Ids& window : input->windows) {
    EXPECT_LE(static_cast<int64_t>(window.size()), model->max_tokens);
    EXPECT_EQ(window.front(), 2);
    EXPECT_EQ(window.back(), 3);
    EXPECT_TRUE(model->encoder->CheckSequence(window).ok());
  }
  EXPECT_FALSE(PrepareText(*model, "", "\xFF", {}).ok());
}

constexpr int64_t kLong = 5000;  // far beyond the 40 and 130 positions that these models were made with

TEST(EncoderSequence, ALongSequenceHasTheSameVectorsAloneAndInABatch) {
  for (const char* golden : {"performer/rotary", "performer/causal"}) {
    const auto encoder = LoadGolden(golden)->encoder;
    EXPECT_EQ(encoder->max_tokens(), 0);
    const Ids longest = RandomIds(kLong, encoder->vocabulary_size(), 2);
    const Ids other = RandomIds(777, encoder->vocabulary_size(), 3);
    const auto alone = Encode(*encoder, {longest}).value();
    const auto batch = Encode(*encoder, {other, longest, Ids{1}}, nullptr, /*num_threads=*/2).value();
    EXPECT_LT(Difference(batch[1], alone[0], alone[0].size()), 1e-5) << golden;
    const auto other_alone = Encode(*encoder, {other}).value();
    EXPECT_LT(Difference(batch[0], other_alone[0], other_alone[0].size()), 1e-5) << golden;
  }
}

// A generalised kernel's: the softmax kernel of the package has a stabiliser that looks ahead, which is reproduced.
TEST(EncoderSequence, ALaterTokenNeverChangesAnEarlierVectorOfACausalModel) {
  const auto encoder = LoadGolden("performer/relu_causal")->encoder;
  const int64_t dim = encoder->dimensions();
  const Ids ids = RandomIds(kLong, encoder->vocabulary_size(), 4);
  const auto before = Encode(*encoder, {ids}).value()[0];
  for (const int64_t changed : {int64_t{1}, int64_t{131}, int64_t{2500}, kLong - 1}) {
    Ids other = ids;
    for (int64_t t = changed; t < kLong; ++t) other[t] = static_cast<int32_t>((other[t] + 1) % 20);
    const auto after = Encode(*encoder, {other}).value()[0];
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + changed * dim, after.begin())) << "same bits before";
    EXPECT_FALSE(std::equal(before.begin() + changed * dim, before.begin() + (changed + 1) * dim,
                            after.begin() + changed * dim));
  }
  // A shorter one may be cut into other parts.
  const Ids begin(ids.begin(), ids.begin() + 3000);
  const auto shorter = Encode(*encoder, {begin}).value()[0];
  EXPECT_LT(Difference(shorter, before, shorter.size()), 1e-5);
}

}  // namespace
}  // namespace favor::testing
