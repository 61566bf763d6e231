#include "favor/feature_map/fit_anchors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <Eigen/Dense>

#include "favor/kernels/anchors.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using kernels::Padded;

constexpr int kMoves = 3;
// On the diagonal of the covariance, as a share of its mean: a metric in which no direction is free.
constexpr double kRegularisation = 1e-3;

// Upper triangular G with G'G the keys' covariance, regularised; the identity where there is none to be had.
RowMajor Metric(const RowMoments& keys) {
  const int64_t d = keys.sum.size();
  const RowMajor identity = RowMajor::Identity(d, d);
  if (keys.count == 0) return identity;
  const double count = static_cast<double>(keys.count);
  const VectorXd mean = Eigen::Map<const VectorXd>(keys.sum.data(), d) / count;
  MatrixXd covariance = Eigen::Map<const MatrixXd>(keys.products.data(), d, d) / count - mean * mean.transpose();
  const double share = kRegularisation * covariance.trace() / static_cast<double>(d);
  if (!(share > 0)) return identity;
  covariance.diagonal().array() += share;
  // Only its form counts; so its entries are near 1 whatever the magnitude of the keys.
  covariance /= covariance.trace() / static_cast<double>(d);
  const Eigen::LLT<MatrixXd> cholesky(covariance);
  if (cholesky.info() != Eigen::Success) return identity;
  const RowMajor g = cholesky.matrixU();
  return g.cwiseAbs().maxCoeff() <= kMaxTransformEntry ? g : identity;
}

// About the directions, row-major [count][d], in which a symmetric matrix is largest: some steps of the block power
// method from the coordinates of its largest diagonal entries. A subspace that is nearly the leading one does as well,
// and costs a tenth of all eigenvectors.
std::vector<double> LeadingDirections(const MatrixXd& matrix, int64_t count) {
  constexpr int kSteps = 6;
  const int64_t d = matrix.rows();
  std::vector<int64_t> order(d);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return matrix(a, a) > matrix(b, b); });
  MatrixXd basis = MatrixXd::Zero(d, count);
  for (int64_t i = 0; i < count; ++i) basis(order[i], i) = 1;
  // Of its own size, so that nothing overflows; the identity beside it keeps directions apart where it has none.
  const double size = matrix.trace();
  const MatrixXd scaled = (size > 0 ? MatrixXd(matrix / size) : matrix) + 1e-9 * MatrixXd::Identity(d, d);
  for (int step = 0; step < kSteps; ++step) {
    const MatrixXd image = scaled * basis;
    basis = Eigen::HouseholderQR<MatrixXd>(image).householderQ() * MatrixXd::Identity(d, count);
  }
  const RowMajor rows = basis.transpose();
  return {rows.data(), rows.data() + rows.size()};
}

std::vector<double> MeanOf(const QuerySample& sample, int64_t d) {
  std::vector<double> mean(d, 0.0);
  for (int64_t t = 0; t < sample.count; ++t) {
    for (int64_t l = 0; l < d; ++l) mean[l] += sample.rows[t * Padded(d) + l];
  }
  for (double& value : mean) value /= static_cast<double>(sample.count);
  return mean;
}

// The sample with its coordinates in the metric, and its clusters.
class Clusters {
 public:
  Clusters(const QuerySample& sample, const RowMajor& g)
      : sample_(sample), d_(g.rows()), width_(Padded(sample.count)), nearest_(width_), distances_(width_, 0.0f) {
    std::vector<float> panels(kernels::PanelRowCount(d_) * d_);
    inputs_.resize(d_ * width_);
    const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows = g.cast<float>();
    kernels::Transpose(sample.rows, Padded(d_), sample.count, d_, inputs_.data(), width_);
    kernels::PackPanels(rows.data(), d_, d_, d_, panels.data());
    points_.resize(kernels::PanelRowCount(d_) * width_);
    kernels::Project({panels.data(), d_, d_}, inputs_.data(), width_, width_, nullptr, points_.data());
    point_rows_.resize(sample.count * Padded(d_));
    kernels::Transpose(points_.data(), width_, d_, sample.count, point_rows_.data(), Padded(d_));
  }

  // Up to num_clusters rows to begin with. Those of fewer clusters are the first of them.
  void Seed(int64_t num_clusters) {
    num_clusters = std::min(num_clusters, sample_.count);
    centres_.assign(d_, 0.0f);
    const std::vector<double> mean = MeanOf({point_rows_.data(), sample_.count}, d_);
    std::copy(mean.begin(), mean.end(), centres_.begin());
    TakeDistances(centres_.data());
    const auto end = distances_.begin() + sample_.count;
    seeds_ = {std::min_element(distances_.begin(), end) - distances_.begin()};
    std::vector<float> least(sample_.count, std::numeric_limits<float>::infinity());
    while (static_cast<int64_t>(seeds_.size()) < num_clusters) {
      for (int64_t l = 0; l < d_; ++l) centres_[l] = points_[l * width_ + seeds_.back()];
      TakeDistances(centres_.data());
      for (int64_t t = 0; t < sample_.count; ++t) least[t] = std::min(least[t], distances_[t]);
      seeds_.push_back(std::max_element(least.begin(), least.end()) - least.begin());
    }
  }

  // Finds up to num_clusters of them.
  void Find(int64_t num_clusters) {
    centres_.resize(std::min(num_clusters, static_cast<int64_t>(seeds_.size())) * d_);
    for (int64_t c = 0; c < this->num_clusters(); ++c) {
      for (int64_t l = 0; l < d_; ++l) centres_[c * d_ + l] = points_[l * width_ + seeds_[c]];
    }
    for (int i = 0; i < kMoves; ++i) {
      Assign();
      Move();
    }
    Assign();
  }

  // Sums of products of what rows are off their centres by, in the metric: [d][d].
  MatrixXd Scatter() const {
    const int64_t stride = Padded(d_);
    std::vector<float> offsets(sample_.count * stride, 0.0f), products(d_ * stride);
    for (int64_t l = 0; l < d_; ++l) {
      for (int64_t t = 0; t < sample_.count; ++t) {
        offsets[t * stride + l] = points_[l * width_ + t] - centres_[nearest_[t] * d_ + l];
      }
    }
    kernels::MatMul({offsets.data(), 1, stride}, {offsets.data(), stride}, products.data(), stride, d_, sample_.count,
                    stride, /*accumulate=*/false);
    MatrixXd scatter(d_, d_);
    for (int64_t k = 0; k < d_; ++k) {
      for (int64_t l = 0; l < d_; ++l) scatter(k, l) = products[k * stride + l];
    }
    return scatter;
  }

  // Means of the rows as they come.
  std::vector<double> Anchors() const { return Means(sample_.rows, Padded(d_)); }

 private:
  int64_t num_clusters() const { return static_cast<int64_t>(centres_.size()) / d_; }

  // Assigns every row to its nearest centre.
  void Assign() {
    const int64_t count = num_clusters();
    std::vector<float> panels(kernels::PanelRowCount(count) * d_), scores(kernels::PanelRowCount(count) * width_);
    std::vector<float> offsets(count);
    for (int64_t c = 0; c < count; ++c) {
      double norm = 0;
      for (int64_t l = 0; l < d_; ++l) norm += double{centres_[c * d_ + l]} * centres_[c * d_ + l];
      offsets[c] = static_cast<float>(norm / 2);
    }
    kernels::PackPanels(centres_.data(), d_, count, d_, panels.data());
    kernels::Project({panels.data(), count, d_}, points_.data(), width_, width_, nullptr, scores.data());
    kernels::NearestRows(scores.data(), count, width_, width_, offsets.data(), nearest_.data());
  }

  // Moves centres to the means of their rows; those without rows stay.
  void Move() {
    const std::vector<double> means = Means(point_rows_.data(), Padded(d_));
    for (int64_t c = 0; c < num_clusters(); ++c) {
      for (int64_t l = 0; l < d_; ++l) centres_[c * d_ + l] = static_cast<float>(means[c * d_ + l]);
    }
  }

  void TakeDistances(const float* centre) {
    kernels::SquaredDistances(points_.data(), d_, width_, centre, distances_.data());
  }

  // Of rows [count][stride]; of clusters without rows the row they were seeded by. Row by row: coordinate by coordinate
  // every sum would wait for the one before.
  std::vector<double> Means(const float* rows, int64_t stride) const {
    std::vector<double> means(num_clusters() * d_, 0.0);
    std::vector<int64_t> counts(num_clusters(), 0);
    for (int64_t t = 0; t < sample_.count; ++t) {
      ++counts[nearest_[t]];
      double* mean = means.data() + nearest_[t] * d_;
      const float* row = rows + t * stride;
      for (int64_t l = 0; l < d_; ++l) mean[l] += row[l];
    }
    for (int64_t c = 0; c < num_clusters(); ++c) {
      for (int64_t l = 0; l < d_; ++l) {
        double& mean = means[c * d_ + l];
        mean = counts[c] > 0 ? mean / static_cast<double>(counts[c]) : rows[seeds_[c] * stride + l];
      }
    }
    return means;
  }

  QuerySample sample_;
  int64_t d_;
  int64_t width_;
  std::vector<float> inputs_;      // [d][width]
  std::vector<float> points_;      // [PanelRowCount(d)][width], in the metric
  std::vector<float> point_rows_;  // [count][Padded(d)], the same
  std::vector<float> centres_;     // [clusters][d], in the metric
  std::vector<int64_t> seeds_;
  std::vector<int32_t> nearest_;
  std::vector<float> distances_;
};

}  // namespace

std::vector<HeadStatistics> FitAnchors(absl::Span<const int64_t> nums_anchors, int64_t num_directions,
                                       const QuerySample& queries, const RowMoments& keys) {
  const int64_t d = keys.sum.size();
  num_directions = std::min(num_directions, d);
  const bool means_only = NeedsMeansOnly(nums_anchors.back(), num_directions);
  const RowMajor g = means_only ? RowMajor(RowMajor::Identity(d, d)) : Metric(keys);
  HeadStatistics common;
  common.query_transform.assign(g.data(), g.data() + g.size());
  common.key_shift.assign(d, 0.0);
  if (keys.count > 0) {
    for (int64_t l = 0; l < d; ++l) {
      common.key_shift[l] = keys.origin[l] + keys.sum[l] / static_cast<double>(keys.count);
    }
  }
  if (queries.count == 0) {
    common.anchors.assign(d, 0.0);
    common.directions = LeadingDirections(MatrixXd::Zero(d, d), num_directions);
  }
  std::vector<HeadStatistics> levels(nums_anchors.size(), common);
  if (queries.count == 0) return levels;
  if (means_only) {
    levels[0].anchors = MeanOf(queries, d);
    return levels;
  }
  Clusters clusters(queries, g);
  clusters.Seed(nums_anchors.back());
  for (size_t level = 0; level < levels.size(); ++level) {
    clusters.Find(nums_anchors[level]);
    levels[level].anchors = clusters.Anchors();
    if (num_directions > 0) levels[level].directions = LeadingDirections(clusters.Scatter(), num_directions);
  }
  return levels;
}

}  // namespace favor
