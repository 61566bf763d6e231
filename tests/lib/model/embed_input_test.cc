#include "favor/model/embed_input.h"

#include <numeric>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int32_t> Count(int64_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 100);
  return ids;
}

std::string Words(int64_t n) {
  std::string text;
  for (int64_t i = 0; i < n; ++i) absl::StrAppend(&text, i > 0 ? " " : "", "w", i);
  return text;
}

std::shared_ptr<Model> ModelOfWindow(int64_t max_tokens) {
  testing::FakeEncoderOptions options;
  options.max_tokens = max_tokens;
  return testing::FakeModel(options);
}

std::vector<int32_t> Join(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The ids of Words(n), without special tokens.
std::vector<int32_t> IdsOfWords(int64_t n) {
  const testing::FakeTokenizer tokenizer;
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(tokenizer.IdOf(absl::StrCat("w", i)));
  return ids;
}

TEST(PrepareText, PutsPromptAndSpecialTokensAround) {
  const auto model = ModelOfWindow(0);
  const auto input = PrepareText(*model, "w0 ", "w1 w2", {});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_THAT(input->windows, ElementsAre(Join(Join({1}, IdsOfWords(3)), {2})));
  EXPECT_THAT(input->window_begins, ElementsAre(0));
  EXPECT_EQ(input->num_tokens, 5);
  EXPECT_EQ(input->num_used_tokens(), 5);
  EXPECT_EQ(input->num_prefix_tokens, 1);
  EXPECT_EQ(input->num_suffix_tokens, 1);
}

TEST(PrepareText, EmptyTextIsItsSpecialTokens) {
  EXPECT_THAT(PrepareText(*ModelOfWindow(0), "", "", {})->windows, ElementsAre(ElementsAre(1, 2)));
}

TEST(PrepareText, RefusesWhatIsLongerThanTheWindowNamingBoth) {
  const auto model = ModelOfWindow(10);
  EXPECT_TRUE(PrepareText(*model, "", Words(8), {}).ok());
  const absl::Status status = PrepareText(*model, "", Words(9), {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("has 11 tokens, the model's window is 10"));
}

TEST(PrepareText, PassesOnWhatTheTokenizerRefuses) {
  EXPECT_THAT(std::string(PrepareText(*ModelOfWindow(0), "", "a\xff", {}).status().message()), HasSubstr("byte 1"));
}

TEST(PrepareText, NeedsATokenizer) {
  const auto model = ModelOfWindow(0);
  model->tokenizer = nullptr;
  EXPECT_TRUE(absl::IsInvalidArgument(PrepareText(*model, "", "a", {}).status()));
  EXPECT_TRUE(PrepareIds(*model, {5}, {}).ok());
}

TEST(PrepareText, TruncationKeepsTheSpecialTokens) {
  const auto model = ModelOfWindow(6);
  const std::vector<int32_t> ids = IdsOfWords(7);
  const auto right = PrepareText(*model, "", Words(7), {OverLength::kTruncateRight, {}});
  EXPECT_THAT(right->windows, ElementsAre(ElementsAre(1, ids[0], ids[1], ids[2], ids[3], 2)));
  const auto left = PrepareText(*model, "", Words(7), {OverLength::kTruncateLeft, {}});
  EXPECT_THAT(left->windows, ElementsAre(ElementsAre(1, ids[3], ids[4], ids[5], ids[6], 2)));
  EXPECT_EQ(left->num_tokens, 9);
  EXPECT_EQ(left->num_used_tokens(), 6);
}

TEST(PrepareIds, TruncationEqualsTheTruncatedIds) {
  const auto model = ModelOfWindow(6);
  const std::vector<int32_t> ids = Count(10);
  EXPECT_EQ(PrepareIds(*model, ids, {OverLength::kTruncateRight, {}})->windows,
            PrepareIds(*model, absl::MakeSpan(ids).first(6), {})->windows);
  EXPECT_EQ(PrepareIds(*model, ids, {OverLength::kTruncateLeft, {}})->windows,
            PrepareIds(*model, absl::MakeSpan(ids).last(6), {})->windows);
}

TEST(PrepareIds, NamesTheIdOutsideTheVocabulary) {
  const auto model = ModelOfWindow(0);
  for (const int32_t id : {-1, 1000}) {
    const absl::Status status = PrepareIds(*model, {0, 999, id}, {}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("ids[2] is ", id, ", must be 0 to 999")));
  }
}

TEST(PrepareIds, RefusesNoTokens) {
  EXPECT_TRUE(absl::IsInvalidArgument(PrepareIds(*ModelOfWindow(0), {}, {}).status()));
}

TEST(Windows, OfAShortInputAreNone) {
  const auto model = ModelOfWindow(10);
  for (const int64_t n : {1, 9, 10}) {
    const auto windows = PrepareIds(*model, Count(n), {OverLength::kWindows, 3});
    EXPECT_EQ(windows->windows, PrepareIds(*model, Count(n), {})->windows);
    EXPECT_EQ(windows->windows.size(), 1u);
  }
}

TEST(Windows, OverlapAndEndWithTheInput) {
  const auto input = PrepareIds(*ModelOfWindow(6), Count(11), {OverLength::kWindows, 2});
  EXPECT_THAT(input->windows, ElementsAre(ElementsAre(100, 101, 102, 103, 104, 105),
                                          ElementsAre(104, 105, 106, 107, 108, 109), ElementsAre(108, 109, 110)));
  EXPECT_THAT(input->window_begins, ElementsAre(0, 4, 8));
  EXPECT_EQ(input->num_used_tokens(), 11);
  EXPECT_EQ(input->num_computed_tokens(), 15);
}

TEST(Windows, OfATextEachHaveTheSpecialTokens) {
  const auto input = PrepareText(*ModelOfWindow(6), "", Words(6), {OverLength::kWindows, 1});
  const std::vector<int32_t> ids = IdsOfWords(6);
  EXPECT_THAT(input->windows, ElementsAre(ElementsAre(1, ids[0], ids[1], ids[2], ids[3], 2),
                                          ElementsAre(1, ids[3], ids[4], ids[5], 2)));
  EXPECT_EQ(input->num_tokens, 8);
}

TEST(Windows, OverlapByAnEighthUnlessToldOtherwise) {
  const auto input = PrepareIds(*ModelOfWindow(16), Count(40), {OverLength::kWindows, {}});
  EXPECT_THAT(input->window_begins, ElementsAre(0, 14, 28));
}

TEST(Windows, RefuseAnOverlapOfMoreThanHalfAWindow) {
  const auto model = ModelOfWindow(10);
  EXPECT_TRUE(PrepareIds(*model, Count(30), {OverLength::kWindows, 5}).ok());
  for (const int64_t overlap : {-1, 6}) {
    const absl::Status status = PrepareIds(*model, Count(30), {OverLength::kWindows, overlap}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("window_overlap is ", overlap)));
  }
  for (const OverLength other : {OverLength::kTruncateLeft, OverLength::kTruncateRight}) {
    EXPECT_TRUE(PrepareIds(*model, Count(30), {other, 6}).ok());
  }
}

TEST(Windows, OverlapByTokensOfTheTextAloneAndByNoMoreThanTheyHaveRoomFor) {
  // A window of 6 has room for 4 tokens of the text: they share 3 of them, and not the special ones.
  EXPECT_THAT(PrepareText(*ModelOfWindow(6), "", Words(6), {OverLength::kWindows, 3})->window_begins,
              ElementsAre(0, 1, 2));
  // Half of a window of 4 is 2, but it has room for no more than 2, of which it shares 1: windows move on.
  EXPECT_THAT(PrepareText(*ModelOfWindow(4), "", Words(4), {OverLength::kWindows, 2})->window_begins,
              ElementsAre(0, 1, 2));
}

TEST(Windows, MoveOnWhateverTheSpecialTokensLeaveOfTheWindow) {
  const auto input = PrepareText(*ModelOfWindow(3), "", Words(5), {OverLength::kWindows, 1});
  EXPECT_EQ(input->windows.size(), 5u);
  EXPECT_TRUE(absl::IsInvalidArgument(PrepareText(*ModelOfWindow(2), "", "a", {OverLength::kWindows, {}}).status()));
}

// The distance of a token of the text to the nearer edge of the text of a window; -1 when it is not in it.
int64_t DistanceToEdge(const EmbedInput& input, int64_t window, int64_t token) {
  const int64_t begin = input.window_begins[window];
  const int64_t length =
      static_cast<int64_t>(input.windows[window].size()) - input.num_prefix_tokens - input.num_suffix_tokens;
  return token < begin || token >= begin + length ? -1 : std::min(token - begin, begin + length - 1 - token);
}

TEST(OwnedTokens, CoverEveryPositionOnceInTheWindowFarthestFromAnEdge) {
  for (const int64_t max_tokens : {4, 7, 16}) {
    for (int64_t overlap = 0; overlap <= max_tokens / 2; ++overlap) {
      for (const int64_t num_words : {17, 31, 40}) {
        const auto input =
            *PrepareText(*ModelOfWindow(max_tokens), "", Words(num_words), {OverLength::kWindows, overlap});
        ASSERT_GT(input.windows.size(), 1u);
        std::multiset<int64_t> positions;
        const std::vector<int32_t> whole = Join(Join({1}, IdsOfWords(num_words)), {2});
        for (size_t w = 0; w < input.windows.size(); ++w) {
          const OwnedTokens owned = OwnedTokensOf(input, w);
          for (int64_t t = owned.first; t < owned.end; ++t) {
            const int64_t position = owned.position + t - owned.first;
            positions.insert(position);
            EXPECT_EQ(input.windows[w][t], whole[position]);
            const int64_t token = position - 1;
            if (token < 0 || token >= num_words) continue;
            for (size_t other = 0; other < input.windows.size(); ++other) {
              EXPECT_GE(DistanceToEdge(input, w, token), DistanceToEdge(input, other, token))
                  << "window " << max_tokens << ", overlap " << overlap << ", " << num_words << " words, token "
                  << token << " of windows " << w << " and " << other;
            }
          }
        }
        EXPECT_EQ(positions.size(), whole.size());
        EXPECT_EQ(std::set<int64_t>(positions.begin(), positions.end()).size(), whole.size());
      }
    }
  }
}

}  // namespace
}  // namespace favor
