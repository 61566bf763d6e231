#ifndef FAVOR_TESTS_SUPPORT_SERVED_MAPS_H_
#define FAVOR_TESTS_SUPPORT_SERVED_MAPS_H_

#include <string>
#include <vector>

#include "favor/attention/attention.h"

namespace favor::testing {

// One way to compute attention that this release serves.
struct ServedMap {
  std::string name;  // fit for a test's name: "SoftmaxPositive"
  AttentionSpec spec;
  bool takes_projection = false;
  // No feature is negative and some feature of every row is not zero: denominators are positive.
  bool positive = false;
  // The attention weight of a key does not depend on other keys up to a constant (not so for bidirectional
  // no_projection, which normalises each feature over the length).
  bool weighs_keys_apart = true;
};

// Every kernel with every estimator or nonlinearity, and exact attention; none with epsilon parity.
std::vector<ServedMap> ServedMaps();
// Those of ServedMaps() with `positive` set.
std::vector<ServedMap> PositiveMaps();
// FAVOR+, the default.
ServedMap Favor();
// Kernel, estimator or nonlinearity in words: "SoftmaxPositive".
std::string NameOf(const AttentionSpec& spec);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_SERVED_MAPS_H_
