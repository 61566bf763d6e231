#ifndef FAVOR_ATTENTION_AUTO_SPEC_H_
#define FAVOR_ATTENTION_AUTO_SPEC_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/attention/error_estimate.h"

namespace favor {

// Softmax attention with a bound on its error.
struct AutoSpec {
  bool causal = false;
  std::optional<double> scale;  // as AttentionSpec::scale
  // Of the Frobenius norm, all rows together; finite, LeastRelativeError() at least.
  double max_relative_error = 0;
  // What the call may take; ways that are expected to take longer are not tried. > 0.
  double budget_seconds = std::numeric_limits<double>::infinity();
  // Answer as well as the budget allows where the bound is missed, instead of failing.
  bool answer_when_missed = false;
  // Rows that the verification of an approximation computes, if it would compute fewer.
  int64_t min_measured_rows = 0;
};

// Most anchors that are tried.
constexpr int64_t kMaxAutoAnchors = 64;

// The least bound that outputs of this type can keep: their rounding, or that of float32 kernels, errs by as much.
double LeastRelativeError(DataType output);

// InvalidArgumentError naming field, value and bound.
absl::Status CheckAutoSpec(const AutoSpec& spec, DataType output);

// How a call went.
struct AutoOutcome {
  AttentionSpec spec;                      // what ran
  std::optional<ErrorEstimate> predicted;  // before, where rows were sampled to choose the way
  std::optional<ErrorEstimate> measured;   // after; none of exact attention
  bool missed = false;                     // the bound
  int num_escalations = 0;                 // ways that ran before and were measured beyond the bound
  std::string reason;                      // one sentence
};

}  // namespace favor

#endif  // FAVOR_ATTENTION_AUTO_SPEC_H_
