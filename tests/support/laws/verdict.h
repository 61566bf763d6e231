#ifndef FAVOR_TESTS_SUPPORT_LAWS_VERDICT_H_
#define FAVOR_TESTS_SUPPORT_LAWS_VERDICT_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "tests/support/attention_case.h"
#include "tests/support/implementation.h"
#include "tests/support/oracle/attention.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// What a law says of an implementation. Laws do not fail a test by themselves: a test expects the library to keep
// them, and doubles with a planted fault to break them.
struct Verdict {
  bool holds = true;
  std::string reason;  // why not

  static Verdict Broken(std::string reason) { return {false, std::move(reason)}; }
};

// Streams as the reason: EXPECT_TRUE(verdict.holds) << verdict.
std::ostream& operator<<(std::ostream& stream, const Verdict& verdict);

// Rows whose conditioning is worse than this cannot be compared in float32.
constexpr double kWorstConditioning = 1000;

// Holds when |actual - expected| <= tolerance * scale everywhere in every row that is not too badly conditioned.
// `rounding`: one entry per row, or empty: the scale of a row is its largest |expected|.
Verdict CompareRows(const DoubleTensor& actual, const DoubleTensor& expected, const std::vector<Rounding>& rounding,
                    double tolerance);

// The oracle's answer to a case.
OracleOutput OracleOf(const AttentionCase& attention_case);

// Runs the implementation on both cases, which are to have the same outputs up to rounding.
Verdict CompareCases(const AttentionImplementation& implementation, const AttentionCase& actual,
                     const AttentionCase& expected, double tolerance);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_VERDICT_H_
