#include "client/load/load_run.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace favor::load {
namespace {

constexpr absl::Duration kPauseWhenUnavailable = absl::Milliseconds(100);
// How often a caller that waits for its arrival looks whether the load has ended.
constexpr absl::Duration kLookEvery = absl::Milliseconds(100);

// What the callers share: the arrivals still to come, and the result so far. Thread-safe.
class Load {
 public:
  Load(const LoadPlan& plan, Clock* clock, LoadProgress* progress)
      : plan_(plan),
        clock_(clock),
        progress_(progress),
        start_(clock->Now()),
        counted_from_(start_ + plan.warm_up),
        end_(counted_from_ + plan.duration),
        last_answer_(counted_from_),
        schedule_(plan.arrivals, plan.rate, plan.seed) {}

  // When the next call is to be sent; nothing when the plan is done.
  std::optional<absl::Duration> NextArrival() {
    const absl::MutexLock lock(&mutex_);
    if (result_.stopped_early) return std::nullopt;
    const absl::Duration arrival = plan_.loop == Loop::kClosed ? clock_->Now() : start_ + schedule_.Next();
    if (arrival >= end_) return std::nullopt;
    return arrival;
  }

  // Makes the call that arrives at `arrival`, unless it is too late for it.
  void Serve(absl::Duration arrival, int caller, const LoadCall& call) {
    absl::Duration sent = arrival;  // a closed loop's calls arrive when they are sent
    if (plan_.loop == Loop::kOpen) {
      if (!AwaitArrival(arrival)) return;
      sent = clock_->Now();
      if (sent >= end_) return Drop(arrival);
    }
    const CallOutcome outcome = call(caller);
    const absl::Duration answered = clock_->Now();
    Record(arrival, sent, answered, outcome);
    if (plan_.loop == Loop::kClosed && absl::IsUnavailable(outcome.status)) {
      clock_->SleepUntil(answered + kPauseWhenUnavailable);
    }
  }

  LoadResult Finish() {
    const absl::MutexLock lock(&mutex_);
    result_.elapsed = (result_.stopped_early ? std::min(last_answer_, end_) : end_) - counted_from_;
    return std::move(result_);
  }

 private:
  // False when the load has ended before.
  bool AwaitArrival(absl::Duration arrival) {
    while (true) {
      clock_->SleepUntil(std::min(arrival, clock_->Now() + kLookEvery));
      const absl::MutexLock lock(&mutex_);
      if (result_.stopped_early) return false;
      if (clock_->Now() >= arrival) return true;
    }
  }

  void Drop(absl::Duration arrival) {
    if (arrival < counted_from_) return;
    const absl::MutexLock lock(&mutex_);
    ++result_.planned;
    ++result_.dropped;
  }

  void Record(absl::Duration arrival, absl::Duration sent, absl::Duration answered, const CallOutcome& outcome) {
    const absl::MutexLock lock(&mutex_);
    if (!absl::IsUnavailable(outcome.status)) {
      unavailable_since_ = absl::InfiniteDuration();
    } else {
      unavailable_since_ = std::min(unavailable_since_, answered);
      if (answered - unavailable_since_ >= plan_.gone_after) result_.stopped_early = true;
    }
    last_answer_ = std::max(last_answer_, answered);
    if (outcome.status.ok()) RecordWork(CountedShare(sent, answered), outcome);
    if (arrival < counted_from_) return;
    ++result_.planned;
    ++result_.sent;
    if (sent - arrival > LoadResult::kLate) ++result_.late;
    if (!outcome.status.ok()) return RecordFailure(outcome.status);
    ++result_.succeeded;
    if (progress_ != nullptr) ++progress_->succeeded;
    result_.num_tokens += outcome.num_tokens;
    result_.latency.Record(answered - arrival);
    result_.round_trip.Record(answered - sent);
    result_.queue.Record(outcome.queue_time);
    result_.compute.Record(outcome.compute_time);
    result_.beside_compute.Record(answered - sent - outcome.compute_time);
  }

  // The part of a round trip that lies in the counted time.
  double CountedShare(absl::Duration sent, absl::Duration answered) const {
    if (answered <= sent) return sent >= counted_from_ && sent < end_ ? 1 : 0;  // too short for the clock
    const absl::Duration counted = std::min(answered, end_) - std::max(sent, counted_from_);
    return std::max(0.0, absl::FDivDuration(counted, answered - sent));
  }

  void RecordWork(double share, const CallOutcome& outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    result_.work.calls += share;
    result_.work.bytes += share * static_cast<double>(outcome.request_bytes + outcome.response_bytes);
    result_.work.tokens += share * static_cast<double>(outcome.num_tokens);
  }

  void RecordFailure(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (progress_ != nullptr) ++progress_->failed;
    LoadResult::Failures& failures = result_.failures[status.code()];
    if (failures.count++ == 0) failures.first_message = std::string(status.message());
  }

  const LoadPlan& plan_;
  Clock* const clock_;
  LoadProgress* const progress_;
  const absl::Duration start_;
  const absl::Duration counted_from_;
  const absl::Duration end_;

  absl::Mutex mutex_;
  absl::Duration last_answer_ ABSL_GUARDED_BY(mutex_);
  ArrivalSchedule schedule_ ABSL_GUARDED_BY(mutex_);
  // The first answer of those in a row that were UNAVAILABLE.
  absl::Duration unavailable_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  LoadResult result_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

LoadResult RunLoad(const LoadPlan& plan, const LoadCall& call, Clock* clock, LoadProgress* progress) {
  Load load(plan, clock, progress);
  const auto serve_arrivals = [&](int caller) {
    while (const std::optional<absl::Duration> arrival = load.NextArrival()) load.Serve(*arrival, caller, call);
  };
  std::vector<std::thread> callers;
  for (int caller = 1; caller < plan.concurrency; ++caller) callers.emplace_back(serve_arrivals, caller);
  serve_arrivals(0);
  for (std::thread& caller : callers) caller.join();
  return load.Finish();
}

}  // namespace favor::load
