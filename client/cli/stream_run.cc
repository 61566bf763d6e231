#include "client/cli/stream_run.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace favor::cli {

int64_t StreamRun::total_tokens() const {
  const RowSizes& sizes = source_.sizes();
  if (sizes.key_length < 0) return -1;
  return sizes.key_length - plan_.first_token + (plan_.causal ? 0 : sizes.query_length);
}

absl::Status StreamRun::Run() {
  keys_done_ = plan_.first_token;
  if (plan_.causal) queries_done_ = plan_.first_token;
  absl::Status sent;
  std::thread sender([this, &sent] {
    sent = SendAll();
    // What was sent may still be answered, but not to the end.
    if (sent.ok()) {
      stream_.SendNoMore();
    } else {
      stream_.Cancel();
    }
  });
  absl::Status received = ReceiveAll();
  if (!received.ok()) stream_.Cancel();  // lets the sender go
  sender.join();
  if (!sent.ok()) return sent;
  return received.ok() ? output_.Finish(queries_done_) : received;
}

absl::Status StreamRun::SendAll() {
  const RowSizes& sizes = source_.sizes();
  absl::Status status;
  if (plan_.causal) {
    // A pipe has to be read to where the sequence goes on.
    if (source_.is_sequential()) {
      for (int64_t i = 0; i < plan_.first_token && status.ok(); i += plan_.chunk) {
        const int64_t count = std::min(plan_.chunk, plan_.first_token - i);
        status = source_.Read(RowSource::Rows::kAll, i, count).status();
      }
    }
    if (status.ok()) status = SendRows(RowSource::Rows::kAll, plan_.first_token, sizes.key_length);
  } else {
    status = SendRows(RowSource::Rows::kKeysAndValues, plan_.first_token, sizes.key_length);
    if (status.ok()) stream_.EndOfKeys();
    if (status.ok()) status = SendRows(RowSource::Rows::kQueries, 0, sizes.query_length);
  }
  if (status.ok() && plan_.wants_state) stream_.GetState();
  return status;
}

absl::Status StreamRun::SendRows(RowSource::Rows rows, int64_t begin, int64_t length) {
  const bool knows_end = length >= 0;
  // One chunk of keys at least, though there are none: queries are answered, and the state has its sizes of it.
  bool is_due = rows == RowSource::Rows::kKeysAndValues && begin == 0;
  while (!knows_end || begin < length || std::exchange(is_due, false)) {
    is_due = false;
    const int64_t count = knows_end ? std::min(plan_.chunk, length - begin) : plan_.chunk;
    absl::StatusOr<client::OwnedChunk> chunk = source_.Read(rows, begin, count);
    if (!chunk.ok()) return chunk.status();
    const int64_t num_rows = knows_end ? count : chunk->queries->shape()[1];
    if (num_rows == 0 && !knows_end) break;
    // Why it was not taken the receiving thread learns.
    if (!stream_.Send(*std::move(chunk))) return absl::OkStatus();
    begin += num_rows;
    if (num_rows < count) break;
  }
  return absl::OkStatus();
}

absl::Status StreamRun::ReceiveAll() {
  while (true) {
    absl::StatusOr<std::optional<client::StreamAnswer>> answer = stream_.Read();
    if (!answer.ok()) return answer.status();
    if (!answer->has_value()) return absl::OkStatus();
    if (absl::Status status = Take(**std::move(answer)); !status.ok()) return status;
  }
}

absl::Status StreamRun::Take(client::StreamAnswer answer) {
  if (answer.state) {
    // Behind the outputs of all that it holds: whoever goes on from it finds them written.
    state_ = *std::move(answer.state);
    return plan_.checkpoint_file.empty() ? absl::OkStatus() : state_->Save(plan_.checkpoint_file);
  }
  ++chunks_done_;
  if (!answer.output) {  // to keys alone
    const int64_t count = std::min(plan_.chunk, source_.sizes().key_length - keys_done_);
    keys_done_ += count;
    tokens_done_ += count;
    return absl::OkStatus();
  }
  const int64_t count = NumQueries(*answer.output);
  absl::Status status = output_.Put(queries_done_, *answer.output);
  queries_done_ += count;
  tokens_done_ += count;
  return status;
}

int64_t StreamRun::NumQueries(const client::Tensor& output) const {
  return output.shape().at(source_.layout() == client::Layout::kBatchLengthHeadsDim ? 1 : 2);
}

}  // namespace favor::cli
