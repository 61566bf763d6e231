#include "favor/model/embed_input.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

// The special tokens that every window is given.
struct Frame {
  absl::Span<const int32_t> prefix;
  absl::Span<const int32_t> suffix;

  int64_t size() const { return static_cast<int64_t>(prefix.size() + suffix.size()); }
};

std::vector<int32_t> Framed(const Frame& frame, absl::Span<const int32_t> body) {
  std::vector<int32_t> window;
  window.reserve(frame.size() + body.size());
  window.insert(window.end(), frame.prefix.begin(), frame.prefix.end());
  window.insert(window.end(), body.begin(), body.end());
  window.insert(window.end(), frame.suffix.begin(), frame.suffix.end());
  return window;
}

// Tokens that neighbouring windows share, each of `capacity` tokens of the text. A window always moves on by one token.
int64_t OverlapOf(const Model& model, const WindowOptions& options, int64_t capacity) {
  return std::min(options.overlap.value_or(model.max_tokens / 8), capacity - 1);
}

void CutIntoWindows(const Frame& frame, absl::Span<const int32_t> body, int64_t capacity, int64_t overlap,
                    EmbedInput* input) {
  const int64_t length = static_cast<int64_t>(body.size());
  for (int64_t begin = 0;; begin += capacity - overlap) {
    input->windows.push_back(Framed(frame, body.subspan(begin, capacity)));
    input->window_begins.push_back(begin);
    if (begin + capacity >= length) return;
  }
}

absl::StatusOr<EmbedInput> Cut(const Model& model, const Frame& frame, absl::Span<const int32_t> body,
                               const WindowOptions& options) {
  EmbedInput input;
  input.num_tokens = static_cast<int64_t>(body.size()) + frame.size();
  input.num_prefix_tokens = static_cast<int64_t>(frame.prefix.size());
  input.num_suffix_tokens = static_cast<int64_t>(frame.suffix.size());
  if (model.max_tokens == 0 || input.num_tokens <= model.max_tokens) {
    input.windows.push_back(Framed(frame, body));
    input.window_begins.push_back(0);
    return input;
  }
  const int64_t capacity = model.max_tokens - frame.size();
  if (options.over_length == OverLength::kRefuse) {
    return absl::InvalidArgumentError(
        absl::StrCat("the input has ", input.num_tokens, " tokens, the model's window is ", model.max_tokens));
  }
  if (capacity < 1) {
    return absl::InvalidArgumentError(absl::StrCat("the model's window is ", model.max_tokens,
                                                   " tokens, its special tokens alone take ", frame.size()));
  }
  switch (options.over_length) {
    case OverLength::kTruncateLeft:
      input.windows.push_back(Framed(frame, body.subspan(body.size() - capacity)));
      input.window_begins.push_back(0);
      break;
    case OverLength::kWindows:
      CutIntoWindows(frame, body, capacity, OverlapOf(model, options, capacity), &input);
      break;
    default:
      input.windows.push_back(Framed(frame, body.subspan(0, capacity)));
      input.window_begins.push_back(0);
  }
  return input;
}

// Text and tokenizer make ids that any encoder of the same model takes, unless the two do not belong together.
absl::StatusOr<EmbedInput> Checked(const Model& model, absl::StatusOr<EmbedInput> input) {
  if (!input.ok()) return input;
  for (const std::vector<int32_t>& window : input->windows) {
    if (absl::Status status = model.encoder->CheckSequence(window); !status.ok()) return status;
  }
  return input;
}

absl::Status CheckIds(const Model& model, absl::Span<const int32_t> ids) {
  const int64_t vocabulary_size = model.encoder->vocabulary_size();
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocabulary_size) continue;
    return absl::InvalidArgumentError(absl::StrCat("ids[", i, "] is ", ids[i], ", must be 0 to ", vocabulary_size - 1));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t EmbedInput::num_used_tokens() const {
  if (windows.size() > 1) return num_tokens;
  return windows.empty() ? 0 : static_cast<int64_t>(windows[0].size());
}

int64_t EmbedInput::num_computed_tokens() const {
  int64_t sum = 0;
  for (const std::vector<int32_t>& window : windows) sum += static_cast<int64_t>(window.size());
  return sum;
}

OwnedTokens OwnedTokensOf(const EmbedInput& input, int64_t window) {
  const int64_t num_windows = static_cast<int64_t>(input.windows.size());
  const auto text_end = [&input](int64_t w) {  // of the text in window w, counted in the text
    return input.window_begins[w] + static_cast<int64_t>(input.windows[w].size()) - input.num_prefix_tokens -
           input.num_suffix_tokens;
  };
  // Of an overlap, the first half is farther from the edge of the window before, and the token in the middle as far.
  const auto boundary = [&](int64_t w) {  // between windows w - 1 and w
    return (input.window_begins[w] + text_end(w - 1) + 1) / 2;
  };
  const int64_t size = static_cast<int64_t>(input.windows[window].size());
  const int64_t begin = input.window_begins[window];
  OwnedTokens owned{0, size, 0};
  if (window > 0) {
    const int64_t text_begin = boundary(window);
    owned.first = text_begin - begin + input.num_prefix_tokens;
    owned.position = text_begin + input.num_prefix_tokens;
  }
  if (window + 1 < num_windows) owned.end = boundary(window + 1) - begin + input.num_prefix_tokens;
  return owned;
}

absl::Status CheckWindowOptions(const Model& model, const WindowOptions& options) {
  if (options.over_length != OverLength::kWindows || !options.overlap) return absl::OkStatus();
  if (*options.overlap < 0) {
    return absl::InvalidArgumentError(absl::StrCat("window_overlap is ", *options.overlap, ", must not be negative"));
  }
  if (model.max_tokens > 0 && *options.overlap > model.max_tokens / 2) {
    return absl::InvalidArgumentError(absl::StrCat("window_overlap is ", *options.overlap, ", must be at most ",
                                                   model.max_tokens / 2, ", half of the model's window"));
  }
  return absl::OkStatus();
}

TextPreparation::TextPreparation(const Model& model, absl::string_view prompt, absl::string_view text,
                                 const WindowOptions& options)
    : model_(model), options_(options), prompt_(prompt), text_(text) {}

absl::Status TextPreparation::Begin() {
  if (absl::Status status = CheckWindowOptions(model_, options_); !status.ok()) return status;
  if (model_.tokenizer == nullptr) {
    return absl::InvalidArgumentError("the input is text, the model has no tokenizer and takes ids alone");
  }
  if (!prompt_.empty()) prompted_ = absl::StrCat(prompt_, text_);
  tokenization_ = model_.tokenizer->Begin(prompt_.empty() ? text_ : prompted_, kTokenizeStepBytes);
  return absl::OkStatus();
}

absl::StatusOr<bool> TextPreparation::Step() {
  if (tokenization_ == nullptr) {
    if (absl::Status status = Begin(); !status.ok()) return status;
  }
  const absl::StatusOr<bool> done = tokenization_->Step(&tokens_);
  if (!done.ok() || !*done) return done;
  std::vector<int32_t> body;
  body.reserve(tokens_.size());
  for (const Token& token : tokens_) body.push_back(token.id);
  absl::StatusOr<EmbedInput> input =
      Checked(model_, Cut(model_, {model_.tokenizer->prefix(), model_.tokenizer->suffix()}, body, options_));
  if (!input.ok()) return input.status();
  input_ = *std::move(input);
  return true;
}

absl::StatusOr<EmbedInput> PrepareText(const Model& model, absl::string_view prompt, absl::string_view text,
                                       const WindowOptions& options) {
  for (TextPreparation preparation(model, prompt, text, options);;) {
    const absl::StatusOr<bool> done = preparation.Step();
    if (!done.ok()) return done.status();
    if (*done) return std::move(preparation.input());
  }
}

absl::StatusOr<EmbedInput> PrepareIds(const Model& model, absl::Span<const int32_t> ids, const WindowOptions& options) {
  if (absl::Status status = CheckWindowOptions(model, options); !status.ok()) return status;
  if (absl::Status status = CheckIds(model, ids); !status.ok()) return status;
  return Checked(model, Cut(model, {}, ids, options));
}

}  // namespace favor
