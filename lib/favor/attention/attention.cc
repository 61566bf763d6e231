#include "favor/attention/attention.h"

#include <memory>
#include <utility>

#include "favor/attention/exact_attention.h"
#include "favor/attention/linear_attention.h"
#include "favor/attention/linear_plan.h"
#include "favor/attention/validate.h"

namespace favor {

absl::StatusOr<Job> PlanAttention(const AttentionSpec& spec, const AttentionInputs& inputs,
                                  const MutableTensorView& output, const Cancellation* cancellation,
                                  AttentionReport* report) {
  if (absl::Status status = internal::ValidateAttention(spec, inputs, output); !status.ok()) return status;
  if (report != nullptr) *report = {};
  if (spec.mode == AttentionMode::kExact) {
    return internal::PlanExactAttention(spec, inputs, output, cancellation, report);
  }
  absl::StatusOr<internal::LinearAttention> call = internal::LinearAttention::Create(spec, inputs, output, report);
  if (!call.ok()) return call.status();
  return internal::PlanLinearAttention(std::make_shared<const internal::LinearAttention>(*std::move(call)),
                                       cancellation);
}

int64_t AttentionScratchBytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads) {
  if (spec.mode == AttentionMode::kExact) return internal::ExactScratchBytes(inputs, num_threads);
  absl::StatusOr<internal::LinearAttention> call = internal::LinearAttention::Create(spec, inputs, {}, nullptr);
  return call.ok() ? internal::LinearScratchBytes(*call, num_threads) : 0;
}

absl::Status Attend(const AttentionSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                    AttentionReport* report) {
  absl::StatusOr<Job> job = PlanAttention(spec, inputs, output, /*cancellation=*/nullptr, report);
  return job.ok() ? RunInline(*job) : job.status();
}

}  // namespace favor
