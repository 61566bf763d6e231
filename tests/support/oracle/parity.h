#ifndef FAVOR_TESTS_SUPPORT_ORACLE_PARITY_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_PARITY_H_

#include <vector>

#include "tests/support/oracle/attention.h"

namespace favor::testing {

// One head with the epsilons of performer-pytorch, by sums over keys without epsilon to which the epsilons are added
// when they are read: with M_r = 0,
//   out_i = [sum_r qf_ir e^(-kappa) S_r + eps Q_i V] / [sum_r qf_ir e^(-kappa) Z_r + eps Q_i n + causal_eps c Q_i],
//   S_r = sum_j exp(w_r.k_j - |k_j|^2/2) v_j, Z_r the same without v_j, V = sum_j v_j, n the number of keys,
//   kappa = max of w_r.k_j over features and ALL keys, qf_ir = exp(w_r.q_i - |q_i|^2/2 - max_r w_r.q_i) + eps,
//   Q_i = sum_r qf_ir, and c = sqrt(num_features), which undoes the 1/sqrt(num_features) of the reference's features.
// With a prefix_stabiliser kappa is the maximum over the keys that query i sees.
// Generalised maps have f(W x) + eps, neither kappa nor c; so has causal kNoProjection, whose qf_ir are softmax_r(q_i)
// + eps and whose features of keys are exp(k_r). Bidirectional, it is not of this form (attention.cc).
std::vector<OracleRow> ParityRows(const FeatureSpec& spec, const OracleHead& head);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_PARITY_H_
