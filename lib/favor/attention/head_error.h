#ifndef FAVOR_ATTENTION_HEAD_ERROR_H_
#define FAVOR_ATTENTION_HEAD_ERROR_H_

#include <cstdint>

#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

struct HeadSample;  // head_sample.h

// Of one head, means over its rows: |output - exact|^2 and |mean of values - exact|^2, as they are to be expected, and
// |exact|^2.
struct HeadError {
  double squared_error = 0;
  double mean_of_values_error = 0;
  double squared_norm = 0;
};

// What is expected of softmax features with `num_features` features a head. `statistics`: what they are fitted to, null
// for those that are not. From the sample's norms and logits alone; no feature is drawn.
//
// With x and y the scaled queries and keys as the features see them, y0 the mean of y, T = tr Cov(y), t the variance of
// a query's logits over L keys, s the variance of values and C = Cov(y, v), for every row
//
//   error^2 = s/L (E(T; L) - 1) E(|x + y0|^2; m)/m + min(|C|^2 E(|x + y0|^2; m)/m, s)
//   exact^2 = |mean v|^2 + s/L E(t; L) + min(|x'C|^2, s)
//
// The first terms are those of values that know nothing of the keys, the last ones of values that follow them. E(S; n)
// is the second moment of a lognormal variable of log-variance S by its squared mean, exp(S), cut off at what the
// largest of n draws reaches: features of large norms are ruled by the largest of them, and then the answer by a few
// keys. For small norms this is the closed form (exp(|x + y|^2) - 1)/m of one kernel value, Choromanski et al. 2021,
// Lemma 2; a proposal A makes the log-variance sum_l rho_l s_l^2 + log((1 + rho_l) / (2 sqrt(rho_l))), rho = 1/(1 -
// 8A).
HeadError ExpectedFeatureError(const FeatureSpec& spec, double scale, const HeadStatistics* statistics,
                               int64_t num_features, const HeadSample& sample);

// What is expected of anchors: the weights of the sampled keys are computed both ways. With a fit, the best damping
// towards the mean of the values is taken.
HeadError ExpectedAnchorError(const FeatureSpec& spec, double scale, const HeadStatistics& statistics,
                              const HeadSample& sample);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_HEAD_ERROR_H_
