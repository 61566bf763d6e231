#include "server/execution/forecast.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

// With every job that is slower, the least time is believed a little less: a machine may get slower for good.
constexpr double kForgetting = 1.01;

// A job may well be quicker than any seen so far: a large one has less overhead, and the machine was busy with others.
constexpr double kHope = 0.5;

// As often as that is what is believed halved, as long as no job of the kind is done.
constexpr absl::Duration kDoubt = absl::Minutes(1);

// What took less is mostly overhead and tells nothing of larger jobs.
constexpr double kLeastBusySeconds = 0.01;

// Others may be done earlier than that, but hardly before.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

}  // namespace

double Forecast::SecondsOf(const JobSize& size, absl::Time now) const {
  const Record& record = records_[size.kind];
  if (record.least == 0 || record.owner != size.owner) return 0;
  const double doubts = std::floor(absl::FDivDuration(now - record.learned, kDoubt));
  return record.least * std::exp2(-std::max(doubts, 0.0));
}

std::optional<Forecast::Estimate> Forecast::TimeFor(const JobSize& size, absl::Time now,
                                                    const std::vector<JobSize>& queued) const {
  const absl::MutexLock lock(&mutex_);
  const double least = SecondsOf(size, now);
  if (least == 0) return std::nullopt;
  const double own = size.operations * least;
  const double alone = own / static_cast<double>(std::clamp<int64_t>(size.max_parallel, 1, num_threads_));
  // Jobs take turns: by the time this one is done, each of the others has got as much, or is done.
  double all = own;
  for (const Progress& job : jobs_) {
    const double left = job.size.operations * SecondsOf(job.size, now) - job.busy_seconds;
    all += std::clamp(left, 0.0, own);
  }
  for (const JobSize& job : queued) all += std::min(job.operations * SecondsOf(job, now), own);
  return Estimate{absl::Seconds(alone), absl::Seconds(std::max(alone, all / num_threads_))};
}

absl::Status Forecast::Check(const JobSize& size, absl::Time now, absl::Time deadline,
                             const std::vector<JobSize>& queued) {
  if (deadline == absl::InfiniteFuture()) return absl::OkStatus();
  const std::optional<Estimate> estimate = TimeFor(size, now, queued);
  const absl::Duration left = deadline - now;
  if (!estimate || estimate->shared <= left) return absl::OkStatus();
  {
    const absl::MutexLock lock(&mutex_);
    ++num_refused_;
  }
  const auto rounded = [](absl::Duration time) {
    return absl::FormatDuration(absl::Trunc(time, absl::Milliseconds(1)));
  };
  if (estimate->alone > left) {
    return absl::DeadlineExceededError(absl::StrCat("the call takes ", rounded(estimate->alone),
                                                    " at least and its deadline is ", rounded(left), " from now"));
  }
  return OverloadedError(absl::StrCat("beside the calls under way the call takes ", rounded(estimate->shared),
                                      " at least and its deadline is ", rounded(left), " from now"),
                         kRetryDelay);
}

std::unique_ptr<Forecast::Entry> Forecast::Begin(const JobSize& size) {
  const absl::MutexLock lock(&mutex_);
  jobs_.push_back({size, 0});
  return std::unique_ptr<Entry>(new Entry(this, std::prev(jobs_.end())));
}

int64_t Forecast::num_refused() const {
  const absl::MutexLock lock(&mutex_);
  return num_refused_;
}

Forecast::Entry::~Entry() {
  const absl::MutexLock lock(&forecast_->mutex_);
  forecast_->jobs_.erase(progress_);
}

void Forecast::Entry::AddBusy(absl::Duration time) {
  const absl::MutexLock lock(&forecast_->mutex_);
  progress_->busy_seconds += absl::ToDoubleSeconds(time);
}

void Forecast::Entry::Learn(absl::Time now) {
  const absl::MutexLock lock(&forecast_->mutex_);
  if (progress_->size.operations <= 0 || progress_->busy_seconds < kLeastBusySeconds) return;
  const double seconds = kHope * progress_->busy_seconds / progress_->size.operations;
  const JobSize& size = progress_->size;
  Record& record = forecast_->records_[size.kind];
  const bool known = record.least != 0 && record.owner == size.owner;
  record = {known ? std::min(seconds, record.least * kForgetting) : seconds, now, size.owner};
}

}  // namespace favor
