#ifndef FAVOR_CLIENT_RESUME_REPLAY_LOG_H_
#define FAVOR_CLIENT_RESUME_REPLAY_LOG_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "client/attention_state.h"
#include "client/attention_stream.h"
#include "client/resuming_stream.h"

namespace favor::client {

// What a ResumingStream has been told since its last checkpoint, and how far the stream under way has got with it: what
// to send next, what an answer belongs to, whether the caller has had it. Not thread-safe.
class ReplayLog {
 public:
  struct Item {
    enum class Kind { kChunk, kEndOfKeys, kGetState };
    Kind kind = Kind::kChunk;
    OwnedChunk chunk = {};
    int64_t bytes = 0;
    StateEncoding encoding = StateEncoding::kUnspecified;
    bool for_caller = true;      // the answer
    bool changes_state = false;  // must be kept until a checkpoint has it
    bool answered = false;
  };

  explicit ReplayLog(const ResumingStreamOptions& options);

  // Whether one more chunk may be appended. Always, when there is none.
  bool HasRoom() const;
  // Each asks for a checkpoint where one is due.
  void AppendChunk(OwnedChunk chunk);
  void AppendEndOfKeys();
  void AppendGetState(StateEncoding encoding);

  // What a new stream starts from, and whether it has to be told that keys have ended; then everything is sent again.
  const std::optional<AttentionState>& checkpoint() const { return checkpoint_; }
  bool keys_ended() const { return keys_ended_; }
  void Rewind();

  // The next to be sent; null when nothing is left.
  std::shared_ptr<const Item> NextToSend();

  // Takes the next answer of the stream. What the caller gets of it, if anything. InternalError for an answer that
  // belongs to nothing.
  absl::StatusOr<std::optional<StreamAnswer>> OnAnswer(StreamAnswer answer);

  // Whether the stream under way owes an answer to something it was sent.
  bool is_due() const;
  bool all_sent() const { return sent_ == end(); }
  bool all_answered() const { return num_unanswered_ == 0; }
  // Whether the stream under way has answered everything.
  bool all_read() const;
  // Answers that were new, so far.
  int64_t num_answers() const { return num_answers_; }
  // Of the answers so far, replayed ones not counted.
  const AttendReport& report() const { return report_; }

 private:
  int64_t end() const { return begin_ + static_cast<int64_t>(items_.size()); }
  Item& at(int64_t index) { return *items_[static_cast<size_t>(index - begin_)]; }
  void Append(Item item);
  void AskForCheckpoint();
  void TakeCheckpoint(AttentionState state, int64_t index);
  void PopFront();
  void AddToReport(const AttendReport& report);

  const int64_t checkpoint_every_;
  const int64_t max_kept_bytes_;
  const bool give_checkpoints_;

  std::optional<AttentionState> checkpoint_;
  bool keys_ended_ = false;                  // before the checkpoint
  bool has_state_;                           // a server would have one after all that was appended
  std::deque<std::shared_ptr<Item>> items_;  // [begin_, end()), since the checkpoint
  int64_t begin_ = 0;
  int64_t sent_ = 0;                        // of the stream under way: the next to send
  int64_t read_ = 0;                        // of the stream under way: the next that may be answered
  int64_t num_chunks_ = 0, num_bytes_ = 0;  // among items_
  int64_t chunks_since_request_ = 0, bytes_since_request_ = 0;  // of a checkpoint
  int64_t num_unanswered_ = 0;                                  // among items_
  int64_t num_answers_ = 0;
  AttendReport report_;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_RESUME_REPLAY_LOG_H_
