#include "server/execution/embed_size.h"

#include <limits>

#include "absl/hash/hash.h"

namespace favor {
namespace {

// A batch takes about as long as its tokens and so many more. A BERT of 12 layers takes 70 ms for 4 tokens, 1.35 ms for
// one of many; more than that is on the hopeful side.
constexpr int64_t kBatchTokens = 128;

// Exact attention takes longer for each token of a longer window: the number of powers of four.
int LengthClass(int64_t longest_window) {
  int power = 0;
  for (int64_t length = longest_window; length >= 128; length /= 4) ++power;
  return power;
}

uint64_t OwnerOf(const EmbedWork& work, int64_t longest_window) {
  uint64_t owner = absl::HashOf(work.model->id, LengthClass(longest_window));
  if (work.attention) {
    const AttentionSpec& spec = work.attention->spec;
    const int64_t num_rows = work.attention->projection ? work.attention->projection->num_features() : 0;
    owner = absl::HashOf(owner, spec.mode, spec.precision, spec.features.kernel, spec.features.estimator, num_rows,
                         spec.features.num_anchors, spec.features.num_directions);
  }
  return owner;
}

}  // namespace

JobSize EmbedSize(const EmbedWork& work, int64_t num_tokens, int64_t longest_window) {
  constexpr int kNumModelKinds = JobSize::kNumKinds - JobSize::kFirstModelKind;
  const uint64_t owner = OwnerOf(work, longest_window);
  return {JobSize::kFirstModelKind + static_cast<int>(owner % kNumModelKinds), static_cast<double>(num_tokens),
          std::numeric_limits<int64_t>::max(), owner};
}

JobSize EmbedBatchSize(const EmbedWork& work, int64_t num_tokens, int64_t longest_window) {
  return EmbedSize(work, num_tokens + kBatchTokens, longest_window);
}

}  // namespace favor
