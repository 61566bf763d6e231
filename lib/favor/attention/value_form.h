#ifndef FAVOR_ATTENTION_VALUE_FORM_H_
#define FAVOR_ATTENTION_VALUE_FORM_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <Eigen/Dense>

#include "favor/attention/head_sample.h"

namespace favor::internal {

// |sum_j w_j v_j|^2 over all keys of a sequence, from the weights of a sample of them: what keys have in common from
// pairs of different keys, which is without bias whatever the sample leaves out, and what they do not, which goes with
// 1/L, from the variance of the values.
class ValueForm {
 public:
  explicit ValueForm(const HeadSample& sample)
      : pairs_(sample.values * sample.values.transpose()), variance_(sample.value_variance) {
    pairs_.diagonal().setZero();
    squares_ = pairs_.cwiseAbs2();
  }

  double variance() const { return variance_; }

  // The first part for every row of weights [R, K]; what may be noise of the sample does not count.
  Eigen::VectorXf Common(const Eigen::MatrixXf& weights) const {
    const Eigen::VectorXf sums = (weights * pairs_).cwiseProduct(weights).rowwise().sum();
    const Eigen::MatrixXf w2 = weights.cwiseAbs2();
    const Eigen::VectorXf noise = (2 * (w2 * squares_).cwiseProduct(w2).rowwise().sum()).cwiseSqrt();
    return (sums - noise).cwiseMax(0.0f) * static_cast<float>(Correction());
  }

  // sum_l weight_l |Cov(y_l, v)|^2 for keys y [K, head_dim] that were multiplied with the square roots of the weights.
  double SquaredCovariance(const Eigen::MatrixXf& centred_keys) const {
    const Eigen::MatrixXf products = (centred_keys * centred_keys.transpose()).cwiseProduct(pairs_);
    const double count = static_cast<double>(pairs_.rows());
    const double sum = products.sum(), noise = std::sqrt(2 * products.squaredNorm());
    return std::max(sum - noise, 0.0) / (count * count) * Correction();
  }

 private:
  // Of K^2 pairs K are of a key and itself.
  double Correction() const {
    const double count = static_cast<double>(pairs_.rows());
    return count > 1 ? count / (count - 1) : 0;
  }

  Eigen::MatrixXf pairs_, squares_;  // [K, K]
  double variance_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_VALUE_FORM_H_
