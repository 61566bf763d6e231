#include "client/resume/replay_log.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace favor::client {
namespace {

int64_t BytesOf(const std::optional<Tensor>& tensor) {
  return tensor ? static_cast<int64_t>(tensor->bytes().size()) : 0;
}

bool IsLossless(StateEncoding encoding) {
  return encoding == StateEncoding::kUnspecified || encoding == StateEncoding::kFloat32Compensated;
}

}  // namespace

ReplayLog::ReplayLog(const ResumingStreamOptions& options)
    : checkpoint_every_(options.checkpoint_every),
      max_kept_bytes_(options.max_kept_bytes),
      give_checkpoints_(options.give_checkpoints),
      checkpoint_(options.stream.state),
      has_state_(options.stream.state.has_value()) {}

bool ReplayLog::HasRoom() const {
  return num_chunks_ == 0 || (num_chunks_ / 2 < checkpoint_every_ && num_bytes_ < max_kept_bytes_);
}

void ReplayLog::Append(Item item) {
  if (item.kind == Item::Kind::kChunk) ++num_chunks_;
  num_bytes_ += item.bytes;
  if (item.kind == Item::Kind::kEndOfKeys) {
    item.answered = true;  // none comes
  } else {
    ++num_unanswered_;
  }
  items_.push_back(std::make_shared<Item>(std::move(item)));
}

void ReplayLog::AppendChunk(OwnedChunk chunk) {
  Item item;
  item.bytes = BytesOf(chunk.queries) + BytesOf(chunk.keys) + BytesOf(chunk.values);
  item.changes_state = chunk.keys.has_value();
  item.chunk = std::move(chunk);
  has_state_ = has_state_ || item.changes_state;
  ++chunks_since_request_;
  bytes_since_request_ += item.bytes;
  const bool asks = item.changes_state;  // queries alone are let go as they are answered
  Append(std::move(item));
  if (asks && (chunks_since_request_ >= checkpoint_every_ || bytes_since_request_ >= max_kept_bytes_ / 2)) {
    AskForCheckpoint();
  }
}

void ReplayLog::AppendEndOfKeys() {
  Append({.kind = Item::Kind::kEndOfKeys, .changes_state = true});
  // From here on the state stays as it is.
  if (has_state_) AskForCheckpoint();
}

void ReplayLog::AppendGetState(StateEncoding encoding) {
  if (IsLossless(encoding)) chunks_since_request_ = bytes_since_request_ = 0;
  Append({.kind = Item::Kind::kGetState, .encoding = encoding});
}

void ReplayLog::AskForCheckpoint() {
  chunks_since_request_ = bytes_since_request_ = 0;
  Append({.kind = Item::Kind::kGetState, .for_caller = give_checkpoints_});
}

void ReplayLog::Rewind() { sent_ = read_ = begin_; }

std::shared_ptr<const ReplayLog::Item> ReplayLog::NextToSend() {
  return all_sent() ? nullptr : items_[static_cast<size_t>(sent_++ - begin_)];
}

bool ReplayLog::is_due() const {
  const auto begin = items_.begin();
  return std::any_of(begin + (std::max(read_, begin_) - begin_), begin + (std::max(sent_, begin_) - begin_),
                     [](const auto& item) { return item->kind != Item::Kind::kEndOfKeys; });
}

bool ReplayLog::all_read() const {
  return std::all_of(items_.begin() + (std::max(read_, begin_) - begin_), items_.end(),
                     [](const auto& item) { return item->kind == Item::Kind::kEndOfKeys; });
}

absl::StatusOr<std::optional<StreamAnswer>> ReplayLog::OnAnswer(StreamAnswer answer) {
  while (read_ < sent_ && at(read_).kind == Item::Kind::kEndOfKeys) ++read_;
  if (read_ == sent_) return absl::InternalError("the server's answer belongs to no message");
  const int64_t index = read_++;
  Item& item = at(index);
  const bool is_chunk = item.kind == Item::Kind::kChunk;
  if (is_chunk ? answer.state || answer.output.has_value() != item.chunk.queries.has_value() : !answer.state) {
    return absl::InternalError("the server's answer is not the one to the message before");
  }
  const bool is_new = !std::exchange(item.answered, true);
  const bool give = is_new && item.for_caller;
  if (is_new) {
    ++num_answers_;
    --num_unanswered_;
    if (answer.report) AddToReport(*answer.report);
  }
  if (!is_chunk && IsLossless(item.encoding)) TakeCheckpoint(*answer.state, index);
  while (!items_.empty() && items_.front()->answered && !items_.front()->changes_state) PopFront();
  if (!give) return std::optional<StreamAnswer>();
  return std::optional<StreamAnswer>(std::move(answer));
}

void ReplayLog::TakeCheckpoint(AttentionState state, int64_t index) {
  checkpoint_ = std::move(state);
  while (begin_ <= index) PopFront();
}

void ReplayLog::PopFront() {
  const Item& item = *items_.front();
  if (item.kind == Item::Kind::kChunk) --num_chunks_;
  if (item.kind == Item::Kind::kEndOfKeys) keys_ended_ = true;
  num_bytes_ -= item.bytes;
  items_.pop_front();
  ++begin_;
}

void ReplayLog::AddToReport(const AttendReport& report) {
  const int64_t degenerate_rows = report_.degenerate_rows + report.degenerate_rows;
  const absl::Duration queue_time = report_.queue_time + report.queue_time;
  const absl::Duration compute_time = report_.compute_time + report.compute_time;
  report_ = report;
  report_.degenerate_rows = degenerate_rows;
  report_.queue_time = queue_time;
  report_.compute_time = compute_time;
}

}  // namespace favor::client
