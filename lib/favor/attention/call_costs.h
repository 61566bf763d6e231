#ifndef FAVOR_ATTENTION_CALL_COSTS_H_
#define FAVOR_ATTENTION_CALL_COSTS_H_

#include <cstdint>
#include <limits>

#include "favor/attention/attention.h"
#include "favor/attention/cost_model.h"

namespace favor::internal {

// What ways cost for calls of one shape. Seconds of one thread.
class CallCosts {
 public:
  CallCosts(const CostModel& model, const AttentionInputs& inputs, bool causal);

  double exact() const { return exact_; }
  double overhead() const { return model_.overhead; }
  // Anchors, without rows that weigh them.
  double Anchors(int64_t num_anchors) const;
  // Rows against all keys of a sequence, or most_keys of them, for each of num_heads heads and sequences.
  double Rows(double num_heads, double rows_per_head, double most_keys = std::numeric_limits<double>::infinity()) const;
  // Some rows against a sample of the keys.
  double Glance(int64_t num_heads, int64_t num_rows, int64_t num_keys) const;
  // The search for anchors among sampled queries, for one key head.
  double Fit(int64_t num_anchors) const;

 private:
  const CostModel model_;
  double head_dim_, value_dim_, key_heads_;
  double query_rows_ = 0, key_rows_ = 0;  // valid ones, all heads together
  double longest_ = 0;                    // valid keys of the longest sequence
  double exact_ = 0;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_CALL_COSTS_H_
