#ifndef FAVOR_MODEL_EMBEDDER_H_
#define FAVOR_MODEL_EMBEDDER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/model.h"
#include "favor/model/pooling.h"

namespace favor {

// What happens to an input of more tokens than the model's window.
enum class OverLength : uint8_t { kRefuse, kTruncateRight, kTruncateLeft, kWindows };

struct WindowOptions {
  OverLength over_length = OverLength::kRefuse;
  std::optional<int64_t> overlap;  // tokens that neighbouring windows share, at most half a window; unset: an eighth
};

// One input, cut to what the encoder takes.
struct EmbedInput {
  // Ids of each window, special tokens included; one window for an input that fits.
  std::vector<std::vector<int32_t>> windows;
  // First token of each window, in the input as if it had not been cut (special tokens of the first window count).
  std::vector<int64_t> window_begins;
  int64_t num_tokens = 0;          // before anything was dropped, special tokens included
  int64_t num_special_tokens = 0;  // prefix and suffix, as each window has them
};

// Tokenises a text with prompt + text, adds the special tokens and cuts it. InvalidArgumentError: no tokenizer, text
// that is not UTF-8, over the window with kRefuse (naming length and window), an overlap past its bound.
absl::StatusOr<EmbedInput> PrepareText(const Model& model, absl::string_view prompt, absl::string_view text,
                                       const WindowOptions& options);

// The same for ids, which are taken as they are: no special tokens are added, and a cut keeps none.
absl::StatusOr<EmbedInput> PrepareIds(const Model& model, absl::Span<const int32_t> ids, const WindowOptions& options);

struct PoolOptions {
  Pooling pooling = Pooling::kMean;
  bool normalize = false;  // to length 1; a zero vector stays
  int64_t dimensions = 0;  // keeps the first so many, before normalising; 0: all
};

// An input and where its embedding goes.
struct EmbedItem {
  const EmbedInput* input = nullptr;
  PoolOptions options;
  float* output = nullptr;  // [EmbedRows()][dimensions]
};

// Vectors of an item: 1, or with kNone one for each token that is used (a token in two windows counts once).
int64_t EmbedRows(const EmbedInput& input, Pooling pooling);

// Plans a batch of items as one Job: the encoder over all their windows, packed without padding, then pooling. All
// arguments must outlive the job. attention may be null: the model's own.
absl::StatusOr<Job> PlanEmbed(std::shared_ptr<const Model> model, std::vector<EmbedItem> items,
                              const EncoderAttention* attention, const Cancellation* cancellation);

// Upper bound of the memory that the job holds besides its arguments.
int64_t EmbedScratchBytes(const Model& model, absl::Span<const EmbedItem> items, const EncoderAttention* attention,
                          int num_threads);

}  // namespace favor

#endif  // FAVOR_MODEL_EMBEDDER_H_
