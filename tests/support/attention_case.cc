#include "tests/support/attention_case.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/support/oracle/fitted.h"
#include "tests/support/served_maps.h"

namespace favor::testing {

AttentionShape AttentionCase::shape() const {
  return {queries.shape.batch_size, queries.shape.num_heads, keys.shape.num_heads, queries.shape.length,
          keys.shape.length,        queries.shape.dim,       values.shape.dim};
}

std::string AttentionCase::Describe() const {
  const AttentionShape s = shape();
  return absl::StrCat(NameOf(spec), spec.causal ? " causal" : "", " batch ", s.batch_size, " heads ", s.num_heads, "/",
                      s.num_key_heads, " lengths ", s.query_length, "/", s.key_length, " dims ", s.head_dim, "/",
                      s.value_dim, " rows ", projection == nullptr ? 0 : projection->num_features(),
                      query_lengths.empty() ? "" : " query_lengths", key_lengths.empty() ? "" : " key_lengths");
}

AttentionCase CaseFromInputs(const AttentionSpec& spec, const AttentionInputs& inputs) {
  AttentionCase attention_case;
  attention_case.spec = spec;
  attention_case.queries = Decode(inputs.queries);
  attention_case.keys = Decode(inputs.keys);
  attention_case.values = Decode(inputs.values);
  attention_case.query_lengths.assign(inputs.query_lengths.begin(), inputs.query_lengths.end());
  attention_case.key_lengths.assign(inputs.key_lengths.begin(), inputs.key_lengths.end());
  attention_case.projection = inputs.projection;
  return attention_case;
}

AttentionCase GaussianCase(const AttentionSpec& spec, const AttentionShape& shape,
                           std::shared_ptr<const Projection> projection, uint64_t seed, double input_scale) {
  Random random(seed);
  AttentionCase result;
  result.spec = spec;
  if (spec.mode == AttentionMode::kFeatures && spec.features.statistics == nullptr) {
    result.spec.features.statistics = RandomStatistics(spec.features, shape.head_dim, shape.num_key_heads, seed);
  }
  result.queries = random.GaussianTensor(shape.queries(), input_scale);
  result.keys = random.GaussianTensor(shape.keys(), input_scale);
  result.values = random.GaussianTensor(shape.values());
  result.projection = std::move(projection);
  return result;
}

AttentionShape RandomShape(Random& random, const AttentionSpec& spec) {
  const bool quadratic = spec.mode == AttentionMode::kFeatures &&
                         (spec.features.kernel == Kernel::kTaylor2 || spec.features.kernel == Kernel::kPolynomial2);
  AttentionShape shape;
  shape.batch_size = random.Integer(1, 3);
  shape.num_key_heads = random.Integer(1, 3);
  shape.num_heads = shape.num_key_heads * random.Integer(1, 3);
  const std::vector<int64_t> lengths = {0, 1, 2, 15, 31, 47, 48, 49, 50, 95, 96, 97};
  shape.key_length = random.OneOf(lengths);
  shape.query_length = spec.causal ? shape.key_length : random.OneOf(lengths);
  // A quadratic map has head_dim^2 features, and the oracle computes them one by one.
  shape.head_dim = quadratic ? random.OneOf({1, 2, 3, 7}) : random.OneOf({1, 2, 3, 8, 15, 17, 33, 64, 130});
  shape.value_dim = random.OneOf({1, 2, 3, 15, 16, 17, 33, 47, 64, 65, 130});
  return shape;
}

int64_t RandomNumRows(Random& random) { return random.OneOf({1, 2, 7, 8, 9, 16, 33, 61}); }

std::shared_ptr<const Projection> TestProjection(int64_t num_rows, int64_t head_dim, uint64_t seed, bool sqrt_norms,
                                                 int64_t num_matrices) {
  if (num_rows == 0) return nullptr;
  Random random(seed);
  std::vector<float> rows;
  for (int64_t r = 0; r < num_matrices * num_rows; ++r) {
    const std::vector<double> row = random.GaussianVector(head_dim);
    double square = 0;
    for (const double w : row) square += w * w;
    const double factor = sqrt_norms ? std::sqrt(static_cast<double>(head_dim) / square) : 1;
    for (const double w : row) rows.push_back(static_cast<float>(factor * w));
  }
  return SuppliedProjection(rows, num_matrices, num_rows, head_dim).value();
}

std::shared_ptr<const Projection> TestProjectionFor(const AttentionSpec& spec, int64_t num_rows, int64_t head_dim,
                                                    uint64_t seed) {
  if (spec.mode == AttentionMode::kExact || ProjectionUseOf(spec.features) == ProjectionUse::kNone) {
    return nullptr;
  }
  return TestProjection(num_rows, head_dim, seed, spec.features.kernel == Kernel::kSoftmaxRegularized);
}

}  // namespace favor::testing
