#ifndef FAVOR_TESTS_SUPPORT_SERVED_MAPS_H_
#define FAVOR_TESTS_SUPPORT_SERVED_MAPS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "favor/attention/attention.h"

namespace favor::testing {

// One way to compute attention that this release serves.
struct ServedMap {
  std::string name;  // fit for a test's name: "SoftmaxPositive"
  AttentionSpec spec;
  bool takes_projection = false;
  // Its projection is a structured one of the library's draws; else one of the tests' own.
  bool structured = false;
  // No feature is negative and some feature of every row is not zero: denominators are positive.
  bool positive = false;
  // The attention weight of a key does not depend on other keys up to a constant (not so for bidirectional
  // no_projection, which normalises each feature over the length).
  bool weighs_keys_apart = true;
};

// Every kernel with every estimator or nonlinearity, some of them once more with structured projections, and exact
// attention; none with epsilon parity. Statistics are not among them: they depend on the shape (GaussianCase).
std::vector<ServedMap> ServedMaps();
// Those of ServedMaps() with `positive` set.
std::vector<ServedMap> PositiveMaps();
// FAVOR+, the default.
ServedMap Favor();
// A projection for the map, shared by all heads; null where it takes none.
std::shared_ptr<const Projection> ProjectionFor(const ServedMap& map, int64_t num_rows, int64_t head_dim,
                                                uint64_t seed);
// Kernel, estimator or nonlinearity in words: "SoftmaxPositive".
std::string NameOf(const AttentionSpec& spec);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_SERVED_MAPS_H_
