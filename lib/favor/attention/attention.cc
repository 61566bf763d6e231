#include "favor/attention/attention.h"

#include <memory>
#include <utility>
#include <vector>

#include "favor/attention/exact_attention.h"
#include "favor/attention/linear_attention.h"
#include "favor/attention/linear_plan.h"
#include "favor/attention/validate.h"

namespace favor {

namespace {

absl::StatusOr<Job> PlanLinear(const AttentionSpec& spec, const AttentionOperands& call,
                               const Cancellation* cancellation, AttentionReport* report) {
  absl::StatusOr<internal::LinearAttention> linear =
      internal::LinearAttention::Create(spec, call.inputs, call.output, report);
  if (!linear.ok()) return linear.status();
  return internal::PlanLinearAttention(std::make_shared<const internal::LinearAttention>(*std::move(linear)),
                                       cancellation);
}

}  // namespace

absl::StatusOr<Job> PlanAttention(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls,
                                  const Cancellation* cancellation, AttentionReport* report) {
  for (const AttentionOperands& call : calls) {
    if (absl::Status status = internal::ValidateAttention(spec, call.inputs, call.output); !status.ok()) return status;
  }
  if (report != nullptr) *report = {};
  if (spec.mode == AttentionMode::kExact) return internal::PlanExactAttention(spec, calls, cancellation, report);
  std::vector<Job> jobs;
  for (const AttentionOperands& call : calls) {
    absl::StatusOr<Job> job = PlanLinear(spec, call, cancellation, report);
    if (!job.ok()) return job.status();
    jobs.push_back(*std::move(job));
  }
  return SideBySide(std::move(jobs));
}

absl::StatusOr<Job> PlanAttention(const AttentionSpec& spec, const AttentionInputs& inputs,
                                  const MutableTensorView& output, const Cancellation* cancellation,
                                  AttentionReport* report) {
  const AttentionOperands call{inputs, output};
  return PlanAttention(spec, absl::MakeConstSpan(&call, 1), cancellation, report);
}

int64_t AttentionScratchBytes(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls, int num_threads) {
  if (spec.mode == AttentionMode::kExact) return internal::ExactScratchBytes(calls, num_threads);
  int64_t bytes = 0;
  for (const AttentionOperands& call : calls) {
    absl::StatusOr<internal::LinearAttention> linear =
        internal::LinearAttention::Create(spec, call.inputs, {}, nullptr);
    if (linear.ok()) bytes += internal::LinearScratchBytes(*linear, num_threads);
  }
  return bytes;
}

int64_t AttentionScratchBytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads) {
  const AttentionOperands call{inputs, {}};
  return AttentionScratchBytes(spec, absl::MakeConstSpan(&call, 1), num_threads);
}

absl::Status Attend(const AttentionSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                    AttentionReport* report) {
  absl::StatusOr<Job> job = PlanAttention(spec, inputs, output, /*cancellation=*/nullptr, report);
  return job.ok() ? RunInline(*job) : job.status();
}

}  // namespace favor
