#ifndef FAVOR_TESTS_PROPERTY_EVERY_MAP_H_
#define FAVOR_TESTS_PROPERTY_EVERY_MAP_H_

#include <ostream>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/random.h"
#include "tests/support/served_maps.h"

namespace favor::testing {

inline void PrintTo(const ServedMap& map, std::ostream* stream) { *stream << map.name; }

// A test for each map it is instantiated with.
class EveryMap : public ::testing::TestWithParam<ServedMap> {
 protected:
  ServedMap Map(bool causal) const {
    ServedMap map = GetParam();
    map.spec.causal = causal;
    return map;
  }

  AttentionSpec Spec(bool causal) const { return Map(causal).spec; }

  std::shared_ptr<const Projection> ProjectionFor(int64_t num_rows, int64_t head_dim, uint64_t seed) const {
    return testing::ProjectionFor(GetParam(), num_rows, head_dim, seed);
  }

  // Gaussian inputs of a random shape.
  AttentionCase RandomCase(uint64_t seed, bool causal) const {
    Random random(seed);
    const AttentionSpec spec = Spec(causal);
    const AttentionShape shape = RandomShape(random, spec);
    return GaussianCase(spec, shape, ProjectionFor(RandomNumRows(random), shape.head_dim, seed), seed);
  }

  // Gaussian inputs of a given shape.
  AttentionCase CaseOf(const AttentionShape& shape, uint64_t seed, bool causal) const {
    return GaussianCase(Spec(causal), shape, ProjectionFor(24, shape.head_dim, seed), seed);
  }
};

inline std::string MapName(const ::testing::TestParamInfo<ServedMap>& info) { return info.param.name; }

// Rounding of float32 arithmetic at inputs of standard deviation 1, against double: ALGORITHMS.md promises 5e-6 for
// FAVOR+ at m = 256; few features, few keys and features of degree 2 make single rows come out worse.
constexpr double kFloat32Tolerance = 1e-5;

// The same between two float32 results.
constexpr double kTwiceFloat32Tolerance = 2 * kFloat32Tolerance;

}  // namespace favor::testing

#endif  // FAVOR_TESTS_PROPERTY_EVERY_MAP_H_
