#ifndef FAVOR_TESTS_SUPPORT_FAULTY_RAW_QR_H_
#define FAVOR_TESTS_SUPPORT_FAULTY_RAW_QR_H_

#include "tests/support/laws/projection.h"

namespace favor::testing {

// Orthogonal projections whose blocks are the Q of a Householder QR as it comes, as published implementations have
// them: not Haar distributed, so estimates are biased. With `correct_signs` each column is multiplied by the sign of
// R's diagonal, and they are.
ProjectionSource QrDraws(bool correct_signs);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_FAULTY_RAW_QR_H_
