#include "server/execution/embed_batcher.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/execution/embed_batch.h"
#include "server/execution/embed_size.h"
#include "server/execution/queue_wait.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

// Some batches of a small model.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(250);

// Of the smallest call.
constexpr int64_t kLeastTokens = 1;

// Requests were checked before the job: what it refuses as an argument is what the model computed.
absl::Status AboutActivations(const absl::Status& status) {
  return absl::InternalError(absl::StrCat("the model's activations are not finite: ", status.message()));
}

}  // namespace

EmbedBatcher::EmbedBatcher(const EmbedBatcherOptions& options, Compute* compute,
                           std::function<void(int64_t)> observe_batch)
    : options_(options), compute_(compute), observe_batch_(std::move(observe_batch)) {}

EmbedBatcher::~EmbedBatcher() = default;

void EmbedBatcher::Start(EmbedWork work, Admission::Reservation* reservation, const Cancellation* cancellation,
                         Done done, WhenFull when_full) {
  auto call = std::make_shared<Call>();
  call->work = std::move(work);
  call->reservation = reservation;
  call->cancellation = cancellation;
  call->done = std::move(done);
  call->outcome.errors.resize(call->work.inputs.size());
  absl::Status prepared = Prepare(call.get());
  if (!prepared.ok() && when_full == WhenFull::kHold && call->DropLargeInputs(options_.batch_tokens, prepared)) {
    prepared = Prepare(call.get());
  }
  if (!prepared.ok()) return call->done(std::move(prepared));
  if (!call->HasNext()) return Complete(call.get());
  const Priority priority = cancellation->priority();
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = CheckQueue(call->waiting_tokens, priority);
    if (when_full == WhenFull::kHold) {
      (status.ok() && !HoldsBefore(priority) ? waiting_ : held_[static_cast<size_t>(priority)]).push_back(call);
      status = absl::OkStatus();
    } else {
      if (!status.ok()) ++refused_[static_cast<size_t>(priority)];
      if (status.ok()) status = CheckDeadline(*call);
      if (status.ok()) waiting_.push_back(call);
    }
  }
  if (!status.ok()) return call->done(std::move(status));
  Pump();
}

std::array<int64_t, kNumPriorities> EmbedBatcher::refused() const {
  absl::MutexLock lock(&mutex_);
  return refused_;
}

int64_t EmbedBatcher::waiting_tokens() const {
  absl::MutexLock lock(&mutex_);
  int64_t sum = 0;
  for (const auto& call : waiting_) sum += call->waiting_tokens;
  for (const Calls& held : held_) {
    for (const auto& call : held) sum += call->waiting_tokens;
  }
  return sum;
}

absl::Status EmbedBatcher::Prepare(Call* call) const {
  const EmbedWork& work = call->work;
  EmbedOutcome& outcome = call->outcome;
  outcome.dimensions = EmbedDimensions(*work.model, work.options);
  outcome.num_tokens = 0;
  outcome.rows = {0};
  call->window_vector_begin.clear();
  call->longest_window = 0;
  int64_t num_window_vectors = 0;
  for (const EmbedInput& input : work.inputs) {
    const int64_t num_rows = input.windows.empty() ? 0 : EmbedRows(input, work.options.pooling);
    outcome.rows.push_back(outcome.rows.back() + num_rows);
    outcome.num_tokens += input.num_computed_tokens();
    for (const auto& window : input.windows) {
      call->longest_window = std::max(call->longest_window, static_cast<int64_t>(window.size()));
    }
    call->window_vector_begin.push_back(num_window_vectors);
    if (IsCombined(input, work.options)) num_window_vectors += static_cast<int64_t>(input.windows.size());
  }
  call->waiting_tokens = outcome.num_tokens;
  call->SkipEmptyInputs();

  const int64_t vector_bytes = outcome.dimensions * static_cast<int64_t>(sizeof(float));
  const int64_t output_bytes = outcome.rows.back() * vector_bytes;
  if (absl::Status status = call->reservation->Grow(output_bytes, "the embeddings"); !status.ok()) return status;
  const int64_t passing_bytes = num_window_vectors * vector_bytes + ScratchBytes(*call);
  absl::Status status = call->reservation->Grow(passing_bytes, "the scratch memory of the model");
  if (!status.ok()) {
    call->reservation->Shrink(output_bytes);
    return status;
  }
  call->passing_bytes = passing_bytes;

  auto vectors = AlignedBuffer<float>::Allocate(outcome.rows.back() * outcome.dimensions);
  if (!vectors.ok()) return vectors.status();
  outcome.vectors = *std::move(vectors);
  auto window_vectors = AlignedBuffer<float>::Allocate(num_window_vectors * outcome.dimensions);
  if (!window_vectors.ok()) return window_vectors.status();
  call->window_vectors = *std::move(window_vectors);
  return absl::OkStatus();
}

// The scratch memory of a batch is at most the sum over its calls of what each would need alone for its windows in the
// batch; so each call pays for as many of its windows, the longest, as can run at once.
int64_t EmbedBatcher::ScratchBytes(const Call& call) const {
  std::vector<int64_t> lengths;
  for (const EmbedInput& input : call.work.inputs) {
    for (const std::vector<int32_t>& window : input.windows) lengths.push_back(static_cast<int64_t>(window.size()));
  }
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  // In turn, so that each batch has its share of the longest: what a thread needs follows from the longest, and threads
  // have their own for each batch.
  std::vector<int64_t> at_once[kMaxRunningBatches];
  int batch = 0;
  int64_t left = kMaxRunningBatches * options_.batch_tokens;
  bool oversized = false;
  for (const int64_t length : lengths) {
    if (left <= 0 || (length > options_.batch_tokens && oversized)) continue;
    oversized |= length > options_.batch_tokens;  // the first; it takes the place of a batch
    left -= std::min(length, options_.batch_tokens);
    at_once[batch].push_back(length);
    batch = (batch + 1) % kMaxRunningBatches;
  }
  const EncoderAttention* attention = call.work.attention ? &*call.work.attention : nullptr;
  int64_t bytes = 0;
  for (const std::vector<int64_t>& windows : at_once) {
    if (!windows.empty()) bytes += EmbedScratchBytes(*call.work.model, windows, attention, compute_->num_threads());
  }
  return bytes;
}

absl::Status EmbedBatcher::CheckRoom(Priority priority) {
  absl::MutexLock lock(&mutex_);
  absl::Status status = CheckQueue(kLeastTokens, priority);
  if (!status.ok()) ++refused_[static_cast<size_t>(priority)];
  return status;
}

absl::Status EmbedBatcher::CheckQueue(int64_t call_tokens, Priority priority) const {
  int64_t ahead = 0;
  for (const auto& other : waiting_) {
    if (other->cancellation->Check().ok()) ahead += std::min(other->waiting_tokens, options_.batch_tokens);
  }
  const int64_t tokens = std::min(call_tokens, options_.batch_tokens);
  const int64_t queue_tokens = ShareOf(options_.queue_tokens, options_.shares, priority);
  if (ahead == 0 || ahead + tokens <= queue_tokens) return absl::OkStatus();
  const std::string whose =
      queue_tokens < options_.queue_tokens ? absl::StrCat(" of ", NameOf(priority), " priority") : "";
  return OverloadedError(absl::StrCat("the inputs have ", call_tokens, " tokens, ", ahead,
                                      " tokens wait before them (of a call one batch is counted), at most ",
                                      queue_tokens, whose, " may wait"),
                         kRetryDelay);
}

absl::Status EmbedBatcher::CheckDeadline(const Call& call) const {
  if (call.cancellation->deadline() == absl::InfiniteFuture()) return absl::OkStatus();
  // Of those that wait, the less urgent may let it pass.
  std::vector<JobSize> queued;
  for (const auto& other : waiting_) {
    if (other->cancellation->priority() < call.cancellation->priority()) continue;
    if (!other->cancellation->Check().ok()) continue;
    queued.push_back(EmbedSize(other->work, other->waiting_tokens, other->longest_window));
  }
  return compute_->CheckDeadline(EmbedBatchSize(call.work, call.waiting_tokens, call.longest_window),
                                 *call.cancellation, queued);
}

void EmbedBatcher::Pump() {
  while (true) {
    Calls ended;
    std::shared_ptr<Batch> batch;
    {
      absl::MutexLock lock(&mutex_);
      ended = DropAbandoned();
      AdmitHeld();
      batch = FormBatch();
      AdmitHeld();  // before a newcomer takes the room that the batch has made
    }
    for (const auto& call : ended) Complete(call.get());
    if (batch == nullptr) return;
    Launch(std::move(batch));
  }
}

EmbedBatcher::Calls EmbedBatcher::DropAbandoned() {
  Calls ended;
  std::vector<Calls*> all = {&waiting_};
  for (Calls& held : held_) all.push_back(&held);
  for (Calls* calls : all) {
    const auto first_dropped = std::stable_partition(calls->begin(), calls->end(), [](const auto& call) {
      if (call->status.ok()) call->status = call->cancellation->Check();
      return call->status.ok();
    });
    std::copy_if(first_dropped, calls->end(), std::back_inserter(ended),
                 [](const auto& call) { return call->Ended(); });
    calls->erase(first_dropped, calls->end());
  }
  return ended;
}

bool EmbedBatcher::HoldsBefore(Priority priority) const {
  return std::any_of(held_.begin() + static_cast<int>(priority), held_.end(),
                     [](const Calls& held) { return !held.empty(); });
}

void EmbedBatcher::AdmitHeld() {
  const auto admit = [&](Calls& held) {
    waiting_.push_back(std::move(held.front()));
    held.erase(held.begin());
  };
  for (auto held = held_.rbegin(); held != held_.rend(); ++held) {
    while (!held->empty() && CheckQueue(held->front()->waiting_tokens, held->front()->cancellation->priority()).ok()) {
      admit(*held);
    }
    if (!held->empty()) break;  // what is less urgent must not take the room it waits for
  }
  if (num_formed_ - num_formed_at_relief_ < kFairBatches) return;
  const auto arrival = [](const Calls& held) { return held.empty() ? absl::InfiniteFuture() : held[0]->work.arrival; };
  const auto oldest = std::min_element(held_.begin(), held_.end(),
                                       [&](const Calls& a, const Calls& b) { return arrival(a) < arrival(b); });
  if (oldest->empty()) return;
  num_formed_at_relief_ = num_formed_;
  admit(*oldest);
}

std::shared_ptr<EmbedBatcher::Batch> EmbedBatcher::FormBatch() {
  if (num_running_ == kMaxRunningBatches) return nullptr;
  if (!again_.empty()) {
    std::shared_ptr<Batch> next = std::move(again_.front());
    again_.pop_front();
    ++num_running_;
    return next;
  }
  auto batch = std::make_shared<Batch>();
  Fill(batch.get());
  if (batch->parts.empty()) return nullptr;
  batch->Seal();
  ++num_formed_;
  ++num_running_;
  num_oversized_ += batch->oversized ? 1 : 0;

  // Whoever had a turn goes to the end of the line.
  std::stable_partition(waiting_.begin(), waiting_.end(), [](const auto& call) { return call->part < 0; });
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), [](const auto& call) { return !call->HasNext(); }),
                 waiting_.end());
  for (const Batch::Part& part : batch->parts) part.call->part = -1;
  return batch;
}

EmbedBatcher::Calls EmbedBatcher::Order() const {
  Calls order = waiting_;
  if ((num_formed_ + 1) % kFairBatches == 0) return order;
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a->cancellation->priority() > b->cancellation->priority();
  });
  return order;
}

// Rounds of one window from each call that can share the batch, until the next does not fit.
void EmbedBatcher::Fill(Batch* batch) {
  const Calls order = Order();
  for (bool progress = true; progress;) {
    progress = false;
    for (const std::shared_ptr<Call>& waiting : order) {
      Call& call = *waiting;
      if (!call.HasNext() || !batch->Takes(call)) continue;
      const int64_t num_tokens = call.NextTokens();
      if (num_tokens > options_.batch_tokens) {
        // By itself, and one at a time: the place that is left is for the short ones.
        if (!batch->parts.empty() || num_oversized_ > 0) continue;
        batch->oversized = true;
      } else if (batch->num_tokens + num_tokens > options_.batch_tokens) {
        return;
      }
      if (call.part < 0) {
        call.part = static_cast<int>(batch->parts.size());
        batch->parts.push_back({waiting, {}});
      }
      batch->parts[call.part].windows.push_back(call.TakeNext());
      batch->Count(num_tokens);
      progress = true;
      if (batch->oversized) return;
    }
  }
}

void EmbedBatcher::Launch(std::shared_ptr<Batch> batch) {
  if (observe_batch_) observe_batch_(batch->num_tokens);
  const EmbedWork& work = batch->parts[0].call->work;
  const EncoderAttention* attention = work.attention ? &*work.attention : nullptr;
  absl::StatusOr<Job> job = PlanEmbedWindows(work.model, batch->Windows(), attention, &*batch->cancellation);
  const absl::Time planned = absl::Now();
  if (!job.ok()) return OnDone(batch.get(), job.status(), planned);
  for (Phase& phase : job->phases) {
    phase.run_step = [batch, run_step = std::move(phase.run_step)](int64_t chain, int64_t step) {
      if (absl::Status status = batch->Check(); !status.ok()) return status;
      return run_step(chain, step);
    };
  }
  const Cancellation* cancellation = &*batch->cancellation;
  const JobSize size = EmbedBatchSize(work, batch->num_tokens, batch->longest_window);
  const auto done = [this, planned, batch = std::move(batch)](absl::Status status, Timing timing) {
    OnDone(batch.get(), status, planned + timing.queue_time);
    Pump();
  };
  compute_->Submit(*std::move(job), cancellation, done, size);
}

// An input's activations overflowed: the others shall not be told of it.
void EmbedBatcher::OnDone(Batch* batch, const absl::Status& status, absl::Time started) {
  if (!absl::IsInvalidArgument(status)) return Settle(*batch, status, started);
  if (!batch->IsOneInput()) return Divide(*batch, started);
  const Batch::Part& part = batch->parts[0];
  {
    absl::MutexLock lock(&mutex_);
    part.call->FailInput(part.windows[0].input, AboutActivations(status));
  }
  Settle(*batch, absl::OkStatus(), started);
}

void EmbedBatcher::Divide(const Batch& batch, absl::Time started) {
  absl::MutexLock lock(&mutex_);
  --num_running_;
  const size_t num_windows = batch.Windows().size();
  std::shared_ptr<Batch> halves[] = {std::make_shared<Batch>(), std::make_shared<Batch>()};
  size_t index = 0;
  for (const Batch::Part& part : batch.parts) {
    part.call->started = std::min(part.call->started, started);
    for (const EmbedWindow& window : part.windows) halves[2 * index++ < num_windows ? 0 : 1]->Add(part.call, window);
  }
  for (std::shared_ptr<Batch>& half : halves) {
    half->Seal();
    again_.push_back(std::move(half));
  }
}

void EmbedBatcher::Settle(const Batch& batch, const absl::Status& status, absl::Time started) {
  Calls ended;
  {
    absl::MutexLock lock(&mutex_);
    --num_running_;
    num_oversized_ -= batch.oversized ? 1 : 0;
    for (const Batch::Part& part : batch.parts) {
      Call& call = *part.call;
      call.num_running -= static_cast<int64_t>(part.windows.size());
      call.started = std::min(call.started, started);
      if (call.status.ok() && !status.ok()) {
        const absl::Status own = call.cancellation->Check();
        call.status = own.ok() ? status : own;
      }
      if (!call.Ended()) continue;
      ended.push_back(part.call);
      waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), part.call), waiting_.end());
    }
  }
  for (const auto& call : ended) Complete(call.get());
}

void EmbedBatcher::Complete(Call* call) const {
  const Done done = std::move(call->done);
  if (!call->status.ok()) {
    const absl::Duration wait = std::min(call->started, absl::Now()) - call->work.arrival;
    absl::Status status = WithQueueWait(std::move(call->status), wait);
    *call = Call();  // before the reservation goes, so does what it stands for
    return done(std::move(status));
  }
  EmbedOutcome& outcome = call->outcome;
  for (size_t i = 0; i < call->work.inputs.size(); ++i) {
    const EmbedInput& input = call->work.inputs[i];
    if (!IsCombined(input, call->work.options) || !outcome.errors[i].ok()) continue;
    CombineWindows(input, call->work.options, outcome.dimensions,
                   call->window_vectors.data() + call->window_vector_begin[i] * outcome.dimensions,
                   outcome.vectors.data() + outcome.rows[i] * outcome.dimensions);
  }
  call->window_vectors = {};
  call->reservation->Shrink(call->passing_bytes);
  const absl::Time now = absl::Now();
  const absl::Time started = std::min(call->started, now);
  outcome.timing = {started - call->work.arrival, now - started, started};
  outcome.inputs = std::move(call->work.inputs);
  done(std::move(outcome));
}

}  // namespace favor
