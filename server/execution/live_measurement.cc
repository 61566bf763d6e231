#include "server/execution/live_measurement.h"

#include <cmath>
#include <utility>

namespace favor {
namespace {

constexpr int64_t kNumRows = 32;

int64_t BytesOf(const AttendWork& work) {
  return static_cast<int64_t>(work.queries.data.size() + work.keys.data.size() + work.values.data.size());
}

}  // namespace

LiveMeasurement::LiveMeasurement(Options options, Compute* compute) : options_(std::move(options)), compute_(compute) {}

LiveMeasurement::~LiveMeasurement() {
  absl::MutexLock lock(&mutex_);
  if (cancellation_ != nullptr) cancellation_->Cancel();
}

// Evenly: of any n calls in a row, the share of them, up to one.
bool LiveMeasurement::IsDue() {
  const auto call = static_cast<double>(num_calls_.fetch_add(1, std::memory_order_relaxed));
  return std::floor((call + 1) * options_.share) > std::floor(call * options_.share);
}

std::unique_ptr<LiveMeasurement::Sample> LiveMeasurement::Take(const AttendWork& work, const AttentionInputs& inputs,
                                                               const TensorView& output,
                                                               const Admission::Reservation& reservation) {
  if (!(options_.share > 0) || !CheckMeasurable(work.spec, kNumRows).ok() || !IsDue()) return nullptr;
  if (is_taken_->exchange(true)) return nullptr;
  auto sample = std::make_unique<Sample>();
  sample->is_taken = is_taken_;
  sample->memory = reservation.Beside();
  sample->cancellation = std::make_shared<Cancellation>(absl::InfiniteFuture(), Priority::kLow);
  const int64_t bytes = ErrorMeasurement::Bytes(work.spec, inputs, kNumRows, compute_->num_threads()) + BytesOf(work);
  if (!sample->memory.Grow(bytes, "a live measurement").ok()) return nullptr;
  auto measurement = ErrorMeasurement::Create(work.spec, inputs, output, kNumRows,
                                              static_cast<uint64_t>(num_calls_.load(std::memory_order_relaxed)));
  if (!measurement.ok()) return nullptr;
  sample->measurement = *std::move(measurement);
  return sample;
}

void LiveMeasurement::Begin(std::unique_ptr<Sample> sample, AttendWork work) {
  absl::StatusOr<Job> job = sample->measurement->PlanExactRows(sample->cancellation.get());
  if (!job.ok()) return;
  sample->work = std::move(work);
  {
    absl::MutexLock lock(&mutex_);
    cancellation_ = sample->cancellation;
  }
  const Cancellation* cancellation = sample->cancellation.get();
  std::shared_ptr<Sample> held = std::move(sample);
  compute_->Submit(*std::move(job), cancellation, [held, record = options_.record](absl::Status status, Timing) {
    if (status.ok()) record(held->measurement->estimate());
  });
}

}  // namespace favor
