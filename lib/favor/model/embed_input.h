#ifndef FAVOR_MODEL_EMBED_INPUT_H_
#define FAVOR_MODEL_EMBED_INPUT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/model/model.h"

namespace favor {

// What happens to an input of more tokens than the model's window.
enum class OverLength : uint8_t { kRefuse, kTruncateRight, kTruncateLeft, kWindows };

struct WindowOptions {
  OverLength over_length = OverLength::kRefuse;
  // Of kWindows: tokens that neighbouring windows share, special tokens not counted; lowered to one less than the room
  // that special tokens leave in a window. Unset: an eighth of a window.
  std::optional<int64_t> overlap;
};

// One input, cut to what the encoder takes. Positions count in the input as if it had not been cut: prefix, all tokens
// of the text, suffix. After a truncation the tokens that were dropped have no position.
struct EmbedInput {
  // Ids of each window, special tokens included; one window for an input that fits.
  std::vector<std::vector<int32_t>> windows;
  // Position of the first token of each window, ascending. A window's own prefix stands before its text, so token i of
  // any window is at window_begins + i unless it is a special token that the window was given besides.
  std::vector<int64_t> window_begins;
  int64_t num_tokens = 0;         // before anything was dropped, special tokens included
  int64_t num_prefix_tokens = 0;  // special tokens in front, as each window has them
  int64_t num_suffix_tokens = 0;  // and behind

  // Tokens that the embedding rests on, each counted once.
  int64_t num_used_tokens() const;
  // Tokens that the encoder runs over: those in two windows count twice, and so do the special tokens.
  int64_t num_computed_tokens() const;
};

// Tokens of a window [first, end), by index in it, whose vectors count when every token counts once: its share of the
// positions. Of all the windows that a token is in, the one in which it stands farthest from an edge has it.
struct OwnedTokens {
  int64_t first = 0;
  int64_t end = 0;
  int64_t position = 0;  // of the first; positions of all windows together are 0 to num_used_tokens - 1
};
OwnedTokens OwnedTokensOf(const EmbedInput& input, int64_t window);

// InvalidArgumentError, naming value and bound, for an overlap that is negative or more than half a window. Only with
// kWindows: the others have no use for it.
absl::Status CheckWindowOptions(const Model& model, const WindowOptions& options);

// Tokenises a text with prompt + text, adds the special tokens and cuts it. InvalidArgumentError: no tokenizer, text
// that is not UTF-8, over the window with kRefuse (naming length and window), an overlap past its bound.
absl::StatusOr<EmbedInput> PrepareText(const Model& model, absl::string_view prompt, absl::string_view text,
                                       const WindowOptions& options);

// PrepareText in steps of a millisecond or two. All arguments must outlive it. Thread-compatible.
class TextPreparation {
 public:
  TextPreparation(const Model& model, absl::string_view prompt, absl::string_view text, const WindowOptions& options);

  // True when input() is there; not to be called again then, nor after an error.
  absl::StatusOr<bool> Step();
  EmbedInput& input() { return input_; }

 private:
  absl::Status Begin();

  const Model& model_;
  const WindowOptions& options_;
  absl::string_view prompt_;
  absl::string_view text_;
  std::string prompted_;  // the two together, if there is a prompt
  std::unique_ptr<Tokenization> tokenization_;
  std::vector<Token> tokens_;
  EmbedInput input_;
};

// The same for ids, which are taken as they are: no special tokens are added, and a cut keeps none.
absl::StatusOr<EmbedInput> PrepareIds(const Model& model, absl::Span<const int32_t> ids, const WindowOptions& options);

}  // namespace favor

#endif  // FAVOR_MODEL_EMBED_INPUT_H_
