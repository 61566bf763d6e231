#ifndef FAVOR_SERVER_EXECUTION_EMBED_BATCHER_H_
#define FAVOR_SERVER_EXECUTION_EMBED_BATCHER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "favor/base/cancellation.h"
#include "server/execution/admission.h"
#include "server/execution/compute.h"
#include "server/execution/embed_work.h"
#include "server/execution/priority_shares.h"

namespace favor {

struct EmbedBatch;
struct QueuedEmbed;

struct EmbedBatcherOptions {
  int64_t batch_tokens = 4096;           // of a batch; a single window of more is a batch by itself
  int64_t queue_tokens = 65536;          // that may wait, see Start()
  PriorityShares shares = kWholeShares;  // of queue_tokens
};

// Runs the inputs of all Embed calls in common batches on the compute pool.
//
// No timer: as long as fewer than kMaxRunningBatches run, a batch starts at once with what is there; while they run,
// inputs gather. Calls take turns, one window each, so that a call of ten thousand inputs does not keep one of a single
// input waiting, and every call has its turn in every round. Callers who are gone are dropped before they are batched.
// The more urgent calls are batched first, but for every kFairBatches-th batch, in which whoever has waited longest is
// first, so that nobody starves. Thread-safe.
class EmbedBatcher {
 public:
  // While one computes, the other fills the threads that the end of a phase leaves idle.
  static constexpr int kMaxRunningBatches = 2;
  static constexpr int kFairBatches = 4;

  using Done = std::function<void(absl::StatusOr<EmbedOutcome>)>;

  // Does not own `compute`, which must end first. `observe_batch`, which may be null, is told the tokens of every batch
  // that starts.
  EmbedBatcher(const EmbedBatcherOptions& options, Compute* compute,
               std::function<void(int64_t num_tokens)> observe_batch = nullptr);
  ~EmbedBatcher();
  EmbedBatcher(const EmbedBatcher&) = delete;
  EmbedBatcher& operator=(const EmbedBatcher&) = delete;

  // What becomes of work that would make too many tokens wait.
  enum class WhenFull : uint8_t {
    kRefuse,
    // It waits for room among those that wait, before any that comes later with kHold and is no more urgent: for
    // callers that bound their own work and do not go on before it is done. Where its memory is not to be had, inputs
    // of more than a batch get an error of their own and the others go on.
    kHold,
  };

  // Never waits. `done` runs once, when all inputs are done: on a compute thread, or on the caller's when the work is
  // refused or empty. `reservation` grows by what the work needs; it and `cancellation` live until the caller of `done`
  // drops them.
  //
  // ResourceExhaustedError with a retry delay, or DeadlineExceededError, when its deadline cannot be met: see
  // Forecast::Check; with kRefuse only.
  //
  // ResourceExhaustedError with a retry delay when too many tokens wait. Each call counts for a batch at most, since
  // that is what a newcomer waits for it at most before its own turn; so one call may be of any size.
  void Start(EmbedWork work, Admission::Reservation* reservation, const Cancellation* cancellation, Done done,
             WhenFull when_full = WhenFull::kRefuse);

  // Before anything is known of a call but its priority: ResourceExhaustedError as from Start() when it would be
  // refused however few tokens it has, which counts as its refusal.
  absl::Status CheckRoom(Priority priority);

  int64_t batch_tokens() const { return options_.batch_tokens; }
  // Tokens that wait, all of them counted.
  int64_t waiting_tokens() const;
  // Calls that were refused because too many tokens wait, by Priority.
  std::array<int64_t, kNumPriorities> refused() const;

 private:
  using Call = QueuedEmbed;
  using Batch = EmbedBatch;
  using Calls = std::vector<std::shared_ptr<Call>>;

  absl::Status Prepare(Call* call) const;
  int64_t ScratchBytes(const Call& call) const;
  // Starts batches while there is room and work, and ends the calls that are found ended.
  void Pump();
  void Launch(std::shared_ptr<Batch> batch);
  void OnDone(Batch* batch, const absl::Status& status, absl::Time started);
  // Makes two of a batch that failed.
  void Divide(const Batch& batch, absl::Time started);
  void Settle(const Batch& batch, const absl::Status& status, absl::Time started);
  void Complete(Call* call) const;

  absl::Status CheckDeadline(const Call& call) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckQueue(int64_t tokens, Priority priority) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes callers who are gone out of waiting_ and held_; those with nothing under way have ended.
  Calls DropAbandoned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a newcomer with kHold would pass others by.
  bool HoldsBefore(Priority priority) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets held calls wait for their turns, the most urgent first, as far as there is room; and after every kFairBatches
  // batches the one that has waited longest in any case.
  void AdmitHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null when nothing may start now.
  std::shared_ptr<Batch> FormBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that wait, in the order of their turns in the next batch.
  Calls Order() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fill(Batch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const EmbedBatcherOptions options_;
  Compute* const compute_;
  const std::function<void(int64_t)> observe_batch_;

  mutable absl::Mutex mutex_;
  // Calls with windows that are in no batch yet; who has waited longest is first.
  Calls waiting_ ABSL_GUARDED_BY(mutex_);
  // That found no room, by Priority and in the order of their coming.
  std::array<Calls, kNumPriorities> held_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Batch>> again_ ABSL_GUARDED_BY(mutex_);  // that Divide() made, and run first
  std::array<int64_t, kNumPriorities> refused_ ABSL_GUARDED_BY(mutex_) = {};
  int64_t num_formed_ ABSL_GUARDED_BY(mutex_) = 0;            // batches, since the start
  int64_t num_formed_at_relief_ ABSL_GUARDED_BY(mutex_) = 0;  // when a held call was last let in without room
  int num_running_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_oversized_ ABSL_GUARDED_BY(mutex_) = 0;  // of these, batches of one window above batch_tokens
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_EMBED_BATCHER_H_
