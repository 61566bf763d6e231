#ifndef FAVOR_TESTS_SUPPORT_ERRORS_H_
#define FAVOR_TESTS_SUPPORT_ERRORS_H_

#include <cstdint>
#include <vector>

#include "tests/support/tensor.h"

namespace favor::testing {

// max|a - b| / max|b|; infinity where shapes differ or a NaN turns up. Two empty or zero tensors: 0.
double RelativeError(const DoubleTensor& actual, const DoubleTensor& expected);

// The largest over rows of max|a - b| / max|b| within the row. Rows where skip (one entry a row; empty: none) is true
// do not count. A row of zeros must be matched by zeros.
double WorstRowError(const DoubleTensor& actual, const DoubleTensor& expected, const std::vector<bool>& skip = {});

// |a - b| / |b| in the Frobenius norm.
double FrobeniusError(const DoubleTensor& actual, const DoubleTensor& expected);

// Same shape and the same bits, NaN equal to NaN.
bool SameBits(const DoubleTensor& a, const DoubleTensor& b);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ERRORS_H_
