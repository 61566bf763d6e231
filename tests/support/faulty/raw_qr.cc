#include "tests/support/faulty/raw_qr.h"

#include <cmath>
#include <vector>

#include "tests/support/oracle/features.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using Columns = std::vector<std::vector<double>>;

// x - 2 v (v.x) / (v.v)
void Reflect(const std::vector<double>& v, std::vector<double>& x) {
  const double factor = 2 * Dot(v, x) / SquaredNorm(v);
  for (size_t i = 0; i < x.size(); ++i) x[i] -= factor * v[i];
}

// Columns of Q of A = QR, A by its columns; the reflections are chosen as in LAPACK, so that R_jj has the sign opposite
// to the entry it replaces.
Columns HouseholderQ(Columns a, bool correct_signs) {
  const size_t size = a.size();
  Columns reflections;
  std::vector<double> diagonal;  // of R
  for (size_t j = 0; j + 1 < size; ++j) {
    std::vector<double> v = a[j];
    for (size_t i = 0; i < j; ++i) v[i] = 0;
    diagonal.push_back(-std::copysign(std::sqrt(SquaredNorm(v)), v[j]));
    v[j] -= diagonal.back();
    for (size_t k = j; k < size; ++k) Reflect(v, a[k]);
    reflections.push_back(std::move(v));
  }
  diagonal.push_back(a[size - 1][size - 1]);
  Columns q(size, std::vector<double>(size));
  for (size_t j = 0; j < size; ++j) {
    q[j][j] = correct_signs && diagonal[j] < 0 ? -1 : 1;
    for (size_t k = reflections.size(); k-- > 0;) Reflect(reflections[k], q[j]);
  }
  return q;
}

}  // namespace

ProjectionSource QrDraws(bool correct_signs) {
  return [correct_signs](const ProjectionSpec& spec) {
    Random random(spec.seed);
    std::vector<float> rows;
    while (static_cast<int64_t>(rows.size()) < spec.num_features * spec.head_dim) {
      Columns block;
      for (int64_t j = 0; j < spec.head_dim; ++j) block.push_back(random.GaussianVector(spec.head_dim));
      for (const std::vector<double>& direction : HouseholderQ(block, correct_signs)) {
        const double norm = std::sqrt(SquaredNorm(random.GaussianVector(spec.head_dim)));
        for (const double w : direction) rows.push_back(static_cast<float>(norm * w));
      }
    }
    rows.resize(spec.num_features * spec.head_dim);
    return SuppliedProjection(rows, 1, spec.num_features, spec.head_dim).value();
  };
}

}  // namespace favor::testing
