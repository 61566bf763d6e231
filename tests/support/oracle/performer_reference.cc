#include "tests/support/oracle/performer_reference.h"

#include <algorithm>
#include <cmath>

#include "tests/support/oracle/features.h"

namespace favor::testing {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix HeadOf(const DoubleTensor& tensor, int64_t batch, int64_t head) {
  Matrix rows;
  for (int64_t i = 0; i < tensor.shape.length; ++i) {
    const absl::Span<const double> row = tensor.Row(batch, head, i);
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

// data_dash = (data_normalizer * data) W'
Matrix DataDash(const PerformerReference& reference, const Matrix& data) {
  Matrix result;
  for (const std::vector<double>& row : data) {
    const double data_normalizer = std::pow(static_cast<double>(row.size()), -0.25);
    std::vector<double> dash(reference.num_features);
    for (int64_t r = 0; r < reference.num_features; ++r) {
      for (size_t c = 0; c < row.size(); ++c) {
        dash[r] += data_normalizer * row[c] * reference.projection_matrix[r * row.size() + c];
      }
    }
    result.push_back(std::move(dash));
  }
  return result;
}

Matrix SoftmaxKernel(const PerformerReference& reference, const Matrix& data, bool is_query) {
  Matrix result = DataDash(reference, data);
  const double ratio = 1 / std::sqrt(static_cast<double>(reference.num_features));
  double largest_of_all = -INFINITY;
  for (const auto& row : result) largest_of_all = std::max(largest_of_all, *std::max_element(row.begin(), row.end()));
  for (size_t i = 0; i < result.size(); ++i) {
    const double data_normalizer = std::pow(static_cast<double>(data[i].size()), -0.25);
    const double diag_data = SquaredNorm(data[i]) / 2 * data_normalizer * data_normalizer;
    const double largest = is_query ? *std::max_element(result[i].begin(), result[i].end()) : largest_of_all;
    for (double& t : result[i]) t = ratio * (std::exp(t - diag_data - largest) + reference.softmax_epsilon);
  }
  return result;
}

Matrix GeneralizedKernel(const PerformerReference& reference, const Matrix& data) {
  Matrix result = DataDash(reference, data);
  for (auto& row : result) {
    for (double& t : row) t = std::max(t, 0.0) + reference.generalized_epsilon;
  }
  return result;
}

Matrix SoftmaxOverDims(Matrix data) {
  for (auto& row : data) {
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& t : row) sum += t = std::exp(t - largest);
    for (double& t : row) t /= sum;
  }
  return data;
}

Matrix SoftmaxOverLength(Matrix data) {
  for (size_t c = 0; c < data.front().size(); ++c) {
    double largest = -INFINITY;
    for (const auto& row : data) largest = std::max(largest, row[c]);
    double sum = 0;
    for (auto& row : data) sum += row[c] = std::exp(row[c] - largest);
    for (auto& row : data) row[c] /= sum;
  }
  return data;
}

Matrix Exp(Matrix data) {
  for (auto& row : data) {
    for (double& t : row) t = std::exp(t);
  }
  return data;
}

Matrix LinearAttention(const Matrix& q, const Matrix& k, const Matrix& v) {
  std::vector<double> k_sum(k.front().size());
  Matrix context(k_sum.size(), std::vector<double>(v.front().size()));
  for (size_t j = 0; j < k.size(); ++j) {
    for (size_t r = 0; r < k_sum.size(); ++r) {
      k_sum[r] += k[j][r];
      for (size_t c = 0; c < v[j].size(); ++c) context[r][c] += k[j][r] * v[j][c];
    }
  }
  Matrix out;
  for (const std::vector<double>& query : q) {
    const double d_inv = 1 / Dot(query, k_sum);
    out.emplace_back(v.front().size());
    for (size_t r = 0; r < query.size(); ++r) {
      for (size_t c = 0; c < out.back().size(); ++c) out.back()[c] += context[r][c] * query[r] * d_inv;
    }
  }
  return out;
}

Matrix CausalLinearAttention(const Matrix& q, const Matrix& k, const Matrix& v, double eps) {
  std::vector<double> k_cumsum(k.front().size());
  Matrix context_cumsum(k_cumsum.size(), std::vector<double>(v.front().size()));
  Matrix out;
  for (size_t i = 0; i < q.size(); ++i) {
    double denominator = 0;
    out.emplace_back(v.front().size());
    for (size_t r = 0; r < k_cumsum.size(); ++r) {
      k_cumsum[r] += k[i][r];
      denominator += q[i][r] * (k_cumsum[r] + eps);
      for (size_t c = 0; c < v[i].size(); ++c) {
        context_cumsum[r][c] += k[i][r] * v[i][c];
        out[i][c] += context_cumsum[r][c] * q[i][r];
      }
    }
    for (double& value : out[i]) value /= denominator;
  }
  return out;
}

}  // namespace

DoubleTensor PerformerReference::Forward(const DoubleTensor& queries, const DoubleTensor& keys,
                                         const DoubleTensor& values) const {
  DoubleTensor output({queries.shape.batch_size, queries.shape.num_heads, queries.shape.length, values.shape.dim});
  for (int64_t b = 0; b < queries.shape.batch_size; ++b) {
    for (int64_t h = 0; h < queries.shape.num_heads; ++h) {
      Matrix q = HeadOf(queries, b, h);
      Matrix k = HeadOf(keys, b, h);
      if (no_projection) {
        q = SoftmaxOverDims(q);
        k = causal ? Exp(k) : SoftmaxOverLength(k);
      } else if (generalized_attention) {
        q = GeneralizedKernel(*this, q);
        k = GeneralizedKernel(*this, k);
      } else {
        q = SoftmaxKernel(*this, q, /*is_query=*/true);
        k = SoftmaxKernel(*this, k, /*is_query=*/false);
      }
      const Matrix v = HeadOf(values, b, h);
      const Matrix out = causal ? CausalLinearAttention(q, k, v, causal_epsilon) : LinearAttention(q, k, v);
      for (size_t i = 0; i < out.size(); ++i) std::copy(out[i].begin(), out[i].end(), output.Row(b, h, i).begin());
    }
  }
  return output;
}

}  // namespace favor::testing
