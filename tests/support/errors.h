#ifndef FAVOR_TESTS_SUPPORT_ERRORS_H_
#define FAVOR_TESTS_SUPPORT_ERRORS_H_

#include "tests/support/tensor.h"

namespace favor::testing {

// max|a - b| / max|b|; infinity where shapes differ or a NaN turns up. Two empty or zero tensors: 0.
double RelativeError(const DoubleTensor& actual, const DoubleTensor& expected);

// |a - b| / |b|, Euclidean over all elements. Two zero tensors: 0.
double FrobeniusError(const DoubleTensor& actual, const DoubleTensor& expected);

// The largest over rows of |a - b| / |b|, Euclidean within the row. A row of zeros must be matched by zeros.
double WorstRowError(const DoubleTensor& actual, const DoubleTensor& expected);

// Same shape and the same bits, NaN equal to NaN.
bool SameBits(const DoubleTensor& a, const DoubleTensor& b);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ERRORS_H_
