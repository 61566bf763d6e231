#ifndef FAVOR_SERVER_EXECUTION_EMBED_BATCH_H_
#define FAVOR_SERVER_EXECUTION_EMBED_BATCH_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "favor/base/cancellation.h"
#include "server/execution/admission.h"
#include "server/execution/embed_work.h"

// What EmbedBatcher works on.
namespace favor {

// Whether an input's vector is put together from those of its windows.
inline bool IsCombined(const EmbedInput& input, const PoolOptions& options) {
  return input.windows.size() > 1 && options.pooling != Pooling::kNone;
}

// A call under way. What changes after Prepare() is guarded by the batcher's mutex_, but for the memory that batches
// write.
struct QueuedEmbed {
  EmbedWork work;
  Admission::Reservation* reservation = nullptr;
  const Cancellation* cancellation = nullptr;
  std::function<void(absl::StatusOr<EmbedOutcome>)> done;
  EmbedOutcome outcome;
  AlignedBuffer<float> window_vectors;       // of inputs of several windows, to be combined
  std::vector<int64_t> window_vector_begin;  // [num_inputs], its first in window_vectors
  int64_t passing_bytes = 0;                 // of the reservation, given back when all batches are done
  int64_t longest_window = 0;

  // The next window that is in no batch.
  size_t next_input = 0;
  size_t next_window = 0;
  int64_t waiting_tokens = 0;  // from there on
  int64_t num_running = 0;     // windows in batches that run
  int part = -1;               // of the batch that is being formed
  absl::Time started = absl::InfiniteFuture();
  absl::Status status;

  bool HasNext() const { return next_input < work.inputs.size(); }
  int64_t NextTokens() const { return static_cast<int64_t>(work.inputs[next_input].windows[next_window].size()); }
  bool Ended() const { return num_running == 0 && (!HasNext() || !status.ok()); }

  void SkipEmptyInputs() {
    while (HasNext() && next_window == work.inputs[next_input].windows.size()) {
      ++next_input;
      next_window = 0;
    }
  }

  EmbedWindow TakeNext() {
    const EmbedInput& input = work.inputs[next_input];
    const int64_t dimensions = outcome.dimensions;
    EmbedWindow window{&input, static_cast<int64_t>(next_window), work.options,
                       outcome.vectors.data() + outcome.rows[next_input] * dimensions};
    if (IsCombined(input, work.options)) {
      window.output = window_vectors.data() + (window_vector_begin[next_input] + window.window) * dimensions;
    }
    waiting_tokens -= NextTokens();
    ++num_running;
    ++next_window;
    SkipEmptyInputs();
    return window;
  }

  void FailInput(const EmbedInput* input, const absl::Status& error) {
    outcome.errors[input - work.inputs.data()].Update(error);
  }

  // Inputs of more than a batch need memory of their own. Answers whether there are any.
  bool DropLargeInputs(int64_t batch_tokens, const absl::Status& error) {
    bool any = false;
    for (EmbedInput& input : work.inputs) {
      const auto is_large = [&](const auto& window) { return static_cast<int64_t>(window.size()) > batch_tokens; };
      if (std::none_of(input.windows.begin(), input.windows.end(), is_large)) continue;
      FailInput(&input, error);
      input.windows.clear();
      any = true;
    }
    return any;
  }
};

struct EmbedBatch {
  struct Part {
    std::shared_ptr<QueuedEmbed> call;
    std::vector<EmbedWindow> windows;
  };

  std::vector<Part> parts;  // one for each call
  int64_t num_tokens = 0;
  int64_t longest_window = 0;
  bool oversized = false;
  std::optional<Cancellation> cancellation;  // once it is sealed

  // A window of the call of the last part, or of a new one.
  void Add(const std::shared_ptr<QueuedEmbed>& call, const EmbedWindow& window) {
    if (parts.empty() || parts.back().call != call) parts.push_back({call, {}});
    Count(static_cast<int64_t>(window.input->windows[window.window].size()));
    parts.back().windows.push_back(window);
  }
  void Count(int64_t window_tokens) {
    num_tokens += window_tokens;
    longest_window = std::max(longest_window, window_tokens);
  }

  bool IsOneInput() const {
    const std::vector<EmbedWindow>& windows = parts[0].windows;
    return parts.size() == 1 && std::all_of(windows.begin(), windows.end(), [&](const EmbedWindow& window) {
             return window.input == windows[0].input;
           });
  }

  bool Takes(const QueuedEmbed& call) const {
    if (parts.empty()) return true;
    const EmbedWork& first = parts[0].call->work;
    return call.work.model == first.model && SameAttention(call.work.attention, first.attention);
  }

  std::vector<EmbedWindow> Windows() const {
    std::vector<EmbedWindow> all;
    size_t count = 0;
    for (const Part& part : parts) count += part.windows.size();
    all.reserve(count);
    for (const Part& part : parts) all.insert(all.end(), part.windows.begin(), part.windows.end());
    return all;
  }

  // Of a batch with all its parts: it is as urgent as the most urgent of them.
  void Seal() {
    Priority priority = Priority::kLow;
    for (const Part& part : parts) priority = std::max(priority, part.call->cancellation->priority());
    cancellation.emplace(absl::InfiniteFuture(), priority);
  }

  // A batch goes on for as long as any of its callers waits for it.
  absl::Status Check() {
    for (const Part& part : parts) {
      if (part.call->cancellation->Check().ok()) return absl::OkStatus();
    }
    cancellation->Cancel();
    return cancellation->Check();
  }
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_EMBED_BATCH_H_
