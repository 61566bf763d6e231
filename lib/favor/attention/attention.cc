#include "favor/attention/attention.h"

#include <memory>
#include <utility>
#include <vector>

#include "favor/attention/anchor_plan.h"
#include "favor/attention/exact_attention.h"
#include "favor/attention/linear_attention.h"
#include "favor/attention/linear_plan.h"
#include "favor/attention/validate.h"

namespace favor {

FeatureSpec FeaturesThatRun(const AttentionSpec& spec) {
  return spec.causal && spec.features.statistics == nullptr ? WithoutStatistics(spec.features) : spec.features;
}

absl::StatusOr<Job> PlanAttention(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls,
                                  const Cancellation* cancellation, AttentionReport* report) {
  for (const AttentionOperands& call : calls) {
    if (absl::Status status = internal::ValidateAttention(spec, call.inputs, call.output); !status.ok()) return status;
  }
  if (report != nullptr) {
    kernels::RowMoments* row_moments = report->row_moments;
    *report = {};
    report->row_moments = row_moments;
  }
  if (spec.mode == AttentionMode::kExact) return internal::PlanExactAttention(spec, calls, cancellation, report);
  std::vector<Job> jobs;
  if (UsesAnchors(spec.features)) {
    for (const AttentionOperands& call : calls) {
      auto anchors = internal::AnchorAttention::Create(spec, call.inputs, call.output, report);
      if (!anchors.ok()) return anchors.status();
      jobs.push_back(internal::PlanAnchorAttention(
          std::make_shared<const internal::AnchorAttention>(*std::move(anchors)), cancellation));
    }
    return SideBySide(std::move(jobs));
  }
  auto pool = std::make_shared<internal::LinearPool>();
  for (const AttentionOperands& call : calls) {
    auto linear = internal::LinearAttention::Create(spec, call.inputs, call.output, report);
    if (!linear.ok()) return linear.status();
    jobs.push_back(internal::PlanLinearAttention(std::make_shared<const internal::LinearAttention>(*std::move(linear)),
                                                 cancellation, pool));
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
  if (UsesAnchors(spec.features)) {
    int64_t bytes = 0;  // each has memory of its own
    for (const AttentionOperands& call : calls) bytes += internal::AnchorScratchBytes(spec, call.inputs, num_threads);
    return bytes;
  }
  std::vector<internal::LinearAttention> linear_calls;
  for (const AttentionOperands& call : calls) {
    auto linear = internal::LinearAttention::Create(spec, call.inputs, {}, nullptr);
    if (linear.ok()) linear_calls.push_back(*std::move(linear));
  }
  return internal::LinearScratchBytes(linear_calls, num_threads);
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
