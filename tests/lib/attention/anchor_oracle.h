#ifndef FAVOR_TESTS_LIB_ATTENTION_ANCHOR_ORACLE_H_
#define FAVOR_TESTS_LIB_ATTENTION_ANCHOR_ORACLE_H_

#include "tests/support/attention_case.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// Softmax about the anchors of the case's statistics, from the formula alone, in double: with m the mean of the values,
//   out = m + w1 (E_w[v] - m) + w2 (x - b)' Cov_w(y, v) + w3 / 2 sum_ab u_a u_b E_w[(z_a - E z_a)(z_b - E z_b)(v - E
//   v)],
// weights 1, or with fit rows the least-squares ones, from 0 to 1.1, 1.1 and 1.5, for exact softmax attention of
// StratifiedRows of the queries of a sequence and key head.
DoubleTensor AnchorOracle(const AttentionCase& attention_case);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_LIB_ATTENTION_ANCHOR_ORACLE_H_
