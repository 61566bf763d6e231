#include "favor/attention/row_sample.h"

#include <algorithm>
#include <utility>

#include "favor/base/philox.h"

namespace favor::internal {
namespace {

constexpr int64_t kRunsPerStep = 1 << 14;

}  // namespace

RowSample::RowSample(const kernels::RowMoments* moments, std::vector<Range> ranges, int64_t size, uint64_t seed)
    : moments_(moments), ranges_(std::move(ranges)), size_(size), seed_(seed) {
  if (!ranges_.empty()) next_row_ = ranges_.front().begin;
  for (const Range& range : ranges_) {
    num_rows_ += range.end - range.begin;
    num_runs_ += (range.end - range.begin + kRun - 1) / kRun;
  }
}

uint64_t RowSample::Random(uint64_t counter) const {
  const auto bits = Philox4x32({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0},
                               {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
  return uint64_t{bits[0]} << 32 | bits[1];
}

int64_t RowSample::num_steps() const { return (num_runs_ + kRunsPerStep - 1) / kRunsPerStep; }

Phase RowSample::Draw() {
  Phase phase;
  phase.num_chains = 1;
  phase.steps_per_chain = whole() ? 1 : 2 * num_steps();
  phase.run_step = [this](int64_t, int64_t step) { return Step(step); };
  return phase;
}

absl::Status RowSample::Step(int64_t step) {
  if (whole()) {
    for (const Range& range : ranges_) {
      for (int64_t row = range.begin; row < range.end; ++row) rows_.push_back({row, 1});
    }
    return absl::OkStatus();
  }
  if (step == 0) {
    absl::StatusOr<AlignedBuffer<Run>> runs = AlignedBuffer<Run>::Allocate(num_runs_);
    if (!runs.ok()) return runs.status();
    runs_ = *std::move(runs);
  }
  const int64_t begin = step % num_steps() * kRunsPerStep, end = std::min(begin + kRunsPerStep, num_runs_);
  step < num_steps() ? MakeRuns(begin, end) : Take(begin, end);
  if (step + 1 == 2 * num_steps()) runs_ = {};
  return absl::OkStatus();
}

// In the order of memory.
void RowSample::MakeRuns(int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    while (next_row_ >= ranges_[next_range_].end) next_row_ = ranges_[++next_range_].begin;
    Run run = {next_row_, std::min(next_row_ + kRun, ranges_[next_range_].end), 0, 0, 0};
    for (int64_t row = run.begin; row < run.end; ++row) {
      run.variance += double{moments_[row].variance};
      run.norm += double{moments_[row].squared_norm};
      run.query_norm += double{moments_[row].query_norm4};
    }
    variances_ += run.variance;
    norms_ += run.norm;
    query_norms_ += run.query_norm;
    next_row_ = run.end;
    runs_[i] = run;
  }
}

// What nothing is known of leaves its share to the uniform part.
void RowSample::Weigh() {
  double uniform = 1;
  const auto weigh = [&uniform](double share, double sum, double* factor) {
    if (!(sum > 0)) return;
    *factor = share / sum;
    uniform -= share;
  };
  weigh(0.4, variances_, &per_variance_);
  weigh(0.2, norms_, &per_norm_);
  weigh(0.2, query_norms_, &per_query_norm_);
  per_row_ = uniform / static_cast<double>(num_rows_);
}

double RowSample::Probability(double variance, double norm, double query_norm, int64_t num_rows) const {
  return per_row_ * static_cast<double>(num_rows) + per_variance_ * variance + per_norm_ * norm +
         per_query_norm_ * query_norm;
}

// Fisher and Yates, from the front: place i gets one of those from i on.
void RowSample::Shuffle(int64_t i) {
  const auto rest = static_cast<uint64_t>(num_runs_ - i);
  // The bias of a 32-bit draw is below rest / 2^32, of no account here.
  const uint64_t offset = (Random(static_cast<uint64_t>(i)) >> 32) * rest >> 32;
  std::swap(runs_[i], runs_[i + static_cast<int64_t>(offset)]);
}

void RowSample::Take(int64_t begin, int64_t end) {
  constexpr double kTwoTo64 = 18446744073709551616.0;
  const double stride = 1.0 / static_cast<double>(size_);
  if (begin == 0) {
    Weigh();
    next_ = static_cast<double>(Random(~uint64_t{0})) / kTwoTo64 * stride;
  }
  for (int64_t i = begin; i < end; ++i) {
    Shuffle(i);
    const Run& run = runs_[i];
    const double before = passed_;
    const double all = Probability(run.variance, run.norm, run.query_norm, run.end - run.begin);
    for (int64_t row = run.begin; next_ < before + all && row < run.end; ++row) {
      const kernels::RowMoments& moments = moments_[row];
      const double probability = Probability(moments.variance, moments.squared_norm, moments.query_norm4, 1);
      passed_ += probability;
      for (; next_ < passed_ && static_cast<int64_t>(rows_.size()) < size_; next_ += stride) {
        rows_.push_back({row, probability});
      }
    }
    passed_ = before + all;  // most runs are passed by as a whole
  }
}

}  // namespace favor::internal
