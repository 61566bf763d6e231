#include "client/sharded_attention.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/shard/task_board.h"
#include "client/transport/option_bounds.h"

namespace favor::client {
namespace {

absl::Status Validate(absl::Span<const Client> servers, const ShardedInputs& inputs, const ShardOptions& options) {
  if (servers.empty()) return absl::InvalidArgumentError("there is no server in the list");
  if (options.spec.causal) {
    return absl::InvalidArgumentError("spec.causal is set: a state of later keys cannot be read by earlier queries");
  }
  const bool reads = inputs.query_length > 0;
  for (const absl::Status& status :
       {CheckAtLeast("key_length", inputs.key_length, 1), CheckAtLeast("query_length", inputs.query_length, 0),
        CheckIsSet("keys", inputs.keys != nullptr), CheckIsSet("queries", !reads || inputs.queries != nullptr),
        CheckIsSet("put", !reads || inputs.put != nullptr), CheckAtLeast("num_parts", options.num_parts, 0),
        CheckAtLeast("chunk", options.chunk, 1), CheckAtLeast("calls_per_server", options.calls_per_server, 1),
        CheckAtLeast("max_attempts", options.max_attempts, 1),
        CheckNotNegative("initial_backoff", options.initial_backoff),
        CheckNotNegative("max_backoff", options.max_backoff)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// A call of one of the caller's functions.
struct Asked {
  absl::string_view function;
  int64_t begin, count;
};

// Whether a tensor that it brought is there and has the tokens asked for: a server cannot know, and would answer for
// those there are. What else may be wrong with it, the server sees.
absl::Status CheckBrought(const Asked& asked, absl::string_view name, const std::optional<Tensor>& tensor,
                          Layout layout) {
  const auto brought = [&](const auto&... text) {
    return absl::InvalidArgumentError(
        absl::StrCat(asked.function, "(", asked.begin, ", ", asked.count, ") brought ", text...));
  };
  if (!tensor) return brought("no ", name);
  const std::vector<int64_t>& shape = tensor->shape();
  if (shape.size() != 4) return brought(name, " of ", shape.size(), " axes, must be 4");
  const int64_t num_tokens = shape[layout == Layout::kBatchLengthHeadsDim ? 1 : 2];
  if (num_tokens == asked.count) return absl::OkStatus();
  return brought(name, " of ", num_tokens, " tokens, asked for were ", asked.count);
}

class Shards {
 public:
  Shards(absl::Span<const Client> servers, const ShardedInputs& inputs, const ShardOptions& options)
      : servers_(servers),
        inputs_(inputs),
        options_(options),
        board_(options, absl::Now() + options.deadline),
        num_parts_(std::min(options.num_parts > 0 ? options.num_parts : static_cast<int64_t>(servers.size()),
                            NumChunks(inputs.key_length))) {}

  absl::StatusOr<AttentionState> Run() {
    if (absl::Status status = FoldParts(); !status.ok()) return status;
    while (states_.size() > 1) {
      if (absl::Status status = MergePairs(); !status.ok()) return status;
    }
    if (absl::Status status = ReadQueries(); !status.ok()) return status;
    return *std::move(states_[0]);
  }

 private:
  using Task = TaskBoard::Task;

  // Of a length of at least 1, however long and whatever a chunk.
  int64_t NumChunks(int64_t length) const { return (length - 1) / options_.chunk + 1; }

  // Where part `part` of the keys begins, at the border of a chunk: part * num_chunks / num_parts_ of them lie before.
  int64_t PartBegin(int64_t part) const {
    const int64_t num_chunks = NumChunks(inputs_.key_length);
    const int64_t before = part * (num_chunks / num_parts_) + part * (num_chunks % num_parts_) / num_parts_;
    return before < num_chunks ? before * options_.chunk : inputs_.key_length;
  }

  absl::Status FoldParts() {
    states_.assign(static_cast<size_t>(num_parts_), std::nullopt);
    std::deque<Task> tasks;
    for (int64_t part = 0; part < num_parts_; ++part) {
      next_keys_.push_back(PartBegin(part));
      tasks.push_back(
          [this, part](const Client& server, absl::Duration deadline) { return FoldPart(server, deadline, part); });
    }
    return board_.Run(servers_, std::move(tasks));
  }

  // With their values.
  absl::StatusOr<OwnedChunk> Keys(int64_t begin, int64_t count) const {
    absl::StatusOr<OwnedChunk> rows = inputs_.keys(begin, count);
    if (!rows.ok()) return rows;
    const Asked asked = {"keys", begin, count};
    absl::Status status = CheckBrought(asked, "keys", rows->keys, options_.spec.layout);
    if (status.ok()) status = CheckBrought(asked, "values", rows->values, options_.spec.layout);
    if (!status.ok()) return status;
    return rows;
  }

  // From where it stopped: what is folded is here, and need not be folded again elsewhere.
  absl::Status FoldPart(const Client& server, absl::Duration deadline, int64_t part) {
    std::optional<AttentionState>& state = states_[static_cast<size_t>(part)];
    int64_t& next = next_keys_[static_cast<size_t>(part)];
    const absl::Time give_up = absl::Now() + deadline;
    for (const int64_t end = PartBegin(part + 1); next < end;) {
      const int64_t count = std::min(options_.chunk, end - next);
      const absl::StatusOr<OwnedChunk> rows = Keys(next, count);
      if (!rows.ok()) return rows.status();
      absl::StatusOr<AttentionState> folded =
          server.Fold({.keys = rows->keys->view(), .values = rows->values->view()},
                      {.spec = options_.spec, .state = state, .deadline = give_up - absl::Now()});
      if (!folded.ok()) return folded.status();
      state = *std::move(folded);
      next += count;
      Progress(server, count);
    }
    return absl::OkStatus();
  }

  // A tree of the same form whoever does it.
  absl::Status MergePairs() {
    std::vector<std::optional<AttentionState>> merged((states_.size() + 1) / 2);
    std::deque<Task> tasks;
    for (size_t i = 0; i < merged.size(); ++i) {
      if (2 * i + 1 == states_.size()) {
        merged[i] = states_[2 * i];
        continue;
      }
      tasks.push_back([this, i, &merged](const Client& server, absl::Duration deadline) {
        absl::StatusOr<AttentionState> state =
            server.Merge({*states_[2 * i], *states_[2 * i + 1]}, {.deadline = deadline});
        if (state.ok()) merged[i] = *std::move(state);
        return state.status();
      });
    }
    absl::Status status = board_.Run(servers_, std::move(tasks));
    states_ = std::move(merged);
    return status;
  }

  absl::Status ReadQueries() {
    std::deque<Task> tasks;
    const int64_t num_chunks = inputs_.query_length > 0 ? NumChunks(inputs_.query_length) : 0;
    for (int64_t i = 0; i < num_chunks; ++i) {
      const int64_t begin = i * options_.chunk;
      tasks.push_back(
          [this, begin](const Client& server, absl::Duration deadline) { return ReadChunk(server, deadline, begin); });
    }
    return board_.Run(servers_, std::move(tasks));
  }

  absl::Status ReadChunk(const Client& server, absl::Duration deadline, int64_t begin) {
    const int64_t count = std::min(options_.chunk, inputs_.query_length - begin);
    const absl::StatusOr<OwnedChunk> rows = inputs_.queries(begin, count);
    if (!rows.ok()) return rows.status();
    const Asked asked = {"queries", begin, count};
    if (absl::Status status = CheckBrought(asked, "queries", rows->queries, options_.spec.layout); !status.ok()) {
      return status;
    }
    const absl::StatusOr<AttendResult> result =
        server.Read(rows->queries->view(), *states_[0], {.output_type = options_.output_type, .deadline = deadline});
    if (!result.ok()) return result.status();
    {
      absl::MutexLock lock(&put_mutex_);
      if (absl::Status status = inputs_.put(begin, result->output); !status.ok()) return status;
    }
    Progress(server, count);
    return absl::OkStatus();
  }

  void Progress(const Client& server, int64_t num_tokens) {
    absl::MutexLock lock(&progress_mutex_);
    if (options_.on_answer) options_.on_answer(server);
    num_done_ += num_tokens;
    if (options_.on_progress) options_.on_progress(num_done_);
  }

  const absl::Span<const Client> servers_;
  const ShardedInputs& inputs_;
  const ShardOptions& options_;
  TaskBoard board_;
  const int64_t num_parts_;
  // Each of one task at a time.
  std::vector<std::optional<AttentionState>> states_;
  std::vector<int64_t> next_keys_;  // [num_parts_], the first not yet folded
  absl::Mutex put_mutex_;
  absl::Mutex progress_mutex_;
  int64_t num_done_ ABSL_GUARDED_BY(progress_mutex_) = 0;
};

}  // namespace

absl::StatusOr<AttentionState> AttendInShards(absl::Span<const Client> servers, const ShardedInputs& inputs,
                                              const ShardOptions& options) {
  if (absl::Status status = Validate(servers, inputs, options); !status.ok()) return status;
  return Shards(servers, inputs, options).Run();
}

}  // namespace favor::client
