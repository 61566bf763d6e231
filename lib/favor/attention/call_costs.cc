#include "favor/attention/call_costs.h"

#include <algorithm>
#include <cmath>

namespace favor::internal {
namespace {

// Queries that share one packing of the keys, and the group in which rows are computed.
constexpr double kGroup = 384, kPanelRows = 6;

}  // namespace

CallCosts::CallCosts(const CostModel& model, const AttentionInputs& inputs, bool causal)
    : model_(model),
      head_dim_(static_cast<double>(inputs.queries.shape.dim)),
      value_dim_(static_cast<double>(inputs.values.shape.dim)),
      key_heads_(static_cast<double>(inputs.keys.shape.num_heads)) {
  const auto heads = static_cast<double>(inputs.queries.shape.num_heads);
  for (int64_t batch = 0; batch < inputs.queries.shape.batch_size; ++batch) {
    const auto queries = static_cast<double>(inputs.NumQueries(batch));
    const auto keys = static_cast<double>(inputs.NumKeys(batch));
    query_rows_ += heads * queries;
    key_rows_ += key_heads_ * keys;
    longest_ = std::max(longest_, keys);
    const double pairs = queries * keys * (causal ? 0.5 : 1);
    exact_ += heads * (pairs * (2 * (head_dim_ + value_dim_) * model.exact + model.pair) +
                       std::ceil(queries / kGroup) * keys * (head_dim_ + value_dim_) * model.packing);
  }
  exact_ += model.overhead;
}

double CallCosts::Anchors(int64_t num_anchors) const {
  const auto anchors = static_cast<double>(num_anchors);
  const double sums = 2 * anchors * (head_dim_ + 1) * (value_dim_ + 1), read = 2 * head_dim_ * value_dim_;
  return key_heads_ * Fit(num_anchors) + key_rows_ * (sums * model_.fold + (head_dim_ + value_dim_) * model_.key) +
         query_rows_ * (read * model_.read + (head_dim_ + value_dim_) * model_.query) + 3 * model_.overhead;
}

double CallCosts::Rows(double num_heads, double rows_per_head, double most_keys) const {
  const double rows = std::ceil(rows_per_head / kPanelRows) * kPanelRows;
  return num_heads * std::min(longest_, most_keys) *
         (rows * (2 * (head_dim_ + value_dim_) * model_.exact + model_.pair) +
          std::ceil(rows / kGroup) * (head_dim_ + value_dim_) * model_.packing);
}

double CallCosts::Glance(int64_t num_heads, int64_t num_rows, int64_t num_keys) const {
  // Logits, and outputs by exact weights and by those about the anchor; each of these weights costs like several pairs.
  constexpr double kPairs = 20;
  const auto rows = static_cast<double>(2 * num_rows + 1), keys = static_cast<double>(num_keys);
  return static_cast<double>(num_heads) *
             (keys * (head_dim_ + value_dim_) * model_.key + rows * keys * (head_dim_ + value_dim_) * 2 * model_.exact +
              rows * keys * kPairs * model_.pair) +
         2 * model_.overhead;
}

double CallCosts::Fit(int64_t num_anchors) const {
  if (num_anchors == 1) return model_.head + head_dim_ * model_.mean;
  return model_.head +
         head_dim_ * (model_.sample + head_dim_ * model_.metric + static_cast<double>(num_anchors) * model_.fit);
}

}  // namespace favor::internal
