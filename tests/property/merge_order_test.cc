// States merged in any order: how far results may lie apart, as docs/attention_state.md has it.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"
#include "tests/property/every_map.h"
#include "tests/support/encoded_state.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

constexpr int64_t kSequences = 2, kHeads = 2, kHeadDim = 6, kValueDim = 5, kLength = 300;

// A sum of a state: (sum - compensation) * 2^exponent.
struct Sum {
  double sum = 0, compensation = 0, exponent = 0;

  double Value() const { return sum - compensation; }
  // At least the magnitudes of its terms added up, and what its compensation may be of them: 2^-23.
  double Magnitude() const { return std::max(std::abs(sum), 0x1p23 * std::abs(compensation)); }
};

// All sums of a state, in the order of its payload.
std::vector<Sum> SumsOf(const AttentionState& state) {
  const absl::StatusOr<EncodedState> encoded = Encode(state);
  EXPECT_TRUE(encoded.ok()) << encoded.status();
  const int64_t m = state.description().num_features, count = m + m * kValueDim + kValueDim;
  std::vector<float> floats(encoded->payload.size() / sizeof(float));
  std::memcpy(floats.data(), encoded->payload.data(), encoded->payload.size());
  std::vector<Sum> sums;
  for (int64_t head = 0; head < kSequences * kHeads; ++head) {
    const float* maxima = floats.data() + head * (1 + m + 2 * count) + 1;  // behind kappa
    const float* values = maxima + m;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t feature = i < m ? i : (i - m) / kValueDim;
      sums.push_back({values[i], values[count + i], feature < m ? maxima[feature] : 0});
    }
  }
  return sums;
}

// A state that was merged, and the longest way of merges to it.
struct Tree {
  AttentionState state;
  int height = 0;
};

class MergeOrder : public EveryMap {
 protected:
  // Rows [begin, end) of every sequence.
  AttentionState Fold(const DoubleTensor& keys, const DoubleTensor& values, int64_t begin, int64_t end) const {
    const std::shared_ptr<const Projection> projection = ProjectionFor(20, kHeadDim, 3);
    AttentionState state = *AttentionState::Create(
        *DescribeState(Spec(false), {kSequences, kHeads, kHeadDim, kValueDim}, projection), projection);
    const auto rows = [&](const DoubleTensor& tensor) {
      std::vector<float> floats;
      for (int64_t i = 0; i < kSequences * kHeads; ++i) {
        for (int64_t j = begin; j < end; ++j) {
          for (const double value : tensor.Row(i / kHeads, i % kHeads, j)) floats.push_back(static_cast<float>(value));
        }
      }
      return floats;
    };
    const std::vector<float> key_rows = rows(keys), value_rows = rows(values);
    AttentionInputs inputs;
    inputs.keys = DenseView(key_rows.data(), {kSequences, kHeads, end - begin, kHeadDim});
    inputs.values = DenseView(value_rows.data(), {kSequences, kHeads, end - begin, kValueDim});
    EXPECT_TRUE(RunInline(*PlanFold(inputs, nullptr, &state)).ok());
    return state;
  }

  // The keys cut into so many pieces at random places.
  std::vector<Tree> Pieces(Random& random, int64_t count) const {
    const double scale = random.Integer(0, 1) == 0 ? 0.7 : 3;  // exponents near each other, and far
    const DoubleTensor keys = random.GaussianTensor({kSequences, kHeads, kLength, kHeadDim}, scale);
    const DoubleTensor values = random.GaussianTensor({kSequences, kHeads, kLength, kValueDim});
    std::vector<int64_t> cuts = {0, kLength};
    while (static_cast<int64_t>(cuts.size()) <= count) cuts.push_back(random.Integer(0, kLength));
    std::sort(cuts.begin(), cuts.end());
    std::vector<Tree> pieces;
    for (int64_t i = 0; i < count; ++i) pieces.push_back({Fold(keys, values, cuts[i], cuts[i + 1])});
    return pieces;
  }

  // Merges two at random until one is left. `forget`: what was merged loses its compensation.
  static Tree MergeAtRandom(Random& random, std::vector<Tree> trees, bool forget) {
    while (trees.size() > 1) {
      std::swap(trees[random.Integer(0, static_cast<int64_t>(trees.size()) - 1)], trees.back());
      Tree from = std::move(trees.back());
      trees.pop_back();
      Tree& into = trees[random.Integer(0, static_cast<int64_t>(trees.size()) - 1)];
      EXPECT_TRUE(RunInline(*PlanMerge(from.state, nullptr, &into.state)).ok());
      into.height = std::max(into.height, from.height) + 1;
      if (forget) RoundTrip(&into.state, StateEncoding::kFloat32).IgnoreError();
    }
    return std::move(trees.front());
  }

  // The largest error of a sum with its compensation, in h 2^-48 of the magnitudes of its terms.
  double WorstOf(bool forget) const {
    double worst = 0;
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      const int64_t count = 2 + static_cast<int64_t>(seed % 6) * 2;
      std::vector<std::vector<Sum>> pieces;
      std::vector<Tree> trees;
      for (int i = 0; i < 2; ++i) {
        Random of_pieces(seed), of_trees(100 * seed + i);
        std::vector<Tree> leaves = Pieces(of_pieces, count);
        if (i == 0) {
          for (const Tree& leaf : leaves) pieces.push_back(SumsOf(leaf.state));
        }
        trees.push_back(MergeAtRandom(of_trees, std::move(leaves), forget));
      }
      worst = std::max(worst, Compare(pieces, trees, forget));
    }
    return worst;
  }

  static double Compare(const std::vector<std::vector<Sum>>& pieces, const std::vector<Tree>& trees, bool forget) {
    const std::vector<Sum> first = SumsOf(trees[0].state), second = SumsOf(trees[1].state);
    const int height = std::max(trees[0].height, trees[1].height);
    double worst = 0;
    for (size_t i = 0; i < first.size(); ++i) {
      const double exponent = first[i].exponent;
      EXPECT_EQ(exponent, second[i].exponent);
      long double exact = 0, magnitude = 0;
      for (const std::vector<Sum>& piece : pieces) {
        if (piece[i].exponent < exponent - 100) continue;  // nothing beside the others, or no keys
        exact += std::ldexp(piece[i].Value(), static_cast<int>(piece[i].exponent - exponent));
        magnitude += std::ldexp(piece[i].Magnitude(), static_cast<int>(piece[i].exponent - exponent));
      }
      if (magnitude == 0) continue;
      for (const auto& [sum, tree] : {std::pair(first[i], &trees[0]), std::pair(second[i], &trees[1])}) {
        const auto error = static_cast<double>(std::abs(sum.Value() - exact) / magnitude);
        worst = std::max(worst, error / (tree->height * 0x1p-48));
      }
      if (forget) continue;
      EXPECT_LE(std::abs(first[i].sum - second[i].sum),
                0x1p-23 * std::max(std::abs(first[i].sum), std::abs(second[i].sum)) +
                    10 * height * 0x1p-48 * static_cast<double>(magnitude));
    }
    return worst;
  }
};

TEST_P(MergeOrder, ChangesSumsByNoMoreThanIsDocumented) {
  const double worst = WorstOf(false);
  EXPECT_LE(worst, 5);
  RecordProperty("worst", std::to_string(worst));
}

// The measure sees what it bounds.
TEST_P(MergeOrder, ChangesThemByMoreWhereCompensationIsLost) { EXPECT_GT(WorstOf(true), 5); }

INSTANTIATE_TEST_SUITE_P(, MergeOrder, ::testing::ValuesIn([] {
                           std::vector<ServedMap> maps = ServedMaps();
                           std::erase_if(maps,
                                         [](const ServedMap& map) { return map.spec.mode == AttentionMode::kExact; });
                           return maps;
                         }()),
                         MapName);

}  // namespace
}  // namespace favor::testing
