#ifndef FAVOR_ATTENTION_WAY_CHOICE_H_
#define FAVOR_ATTENTION_WAY_CHOICE_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"

namespace favor::internal {

// One way to approximate a call: what it costs, measurement of its error included, and what its error is expected to
// be.
struct Way {
  int64_t num_anchors = 0;
  double seconds = 0;
  double error = 0;   // expected
  double spread = 0;  // standard deviation of the logarithm of the error about the expected one
  double margin = 0;  // logarithm by which the error must be below the bound for a measurement to say so
};

// What there is to choose by.
struct Terms {
  double bound = 0;   // of the error
  double exact = 0;   // seconds of exact attention
  double spent = 0;   // seconds so far
  double budget = 0;  // seconds in all; infinite: no bound
};

// Probability that a measurement finds the error of this way below the bound.
double ChanceOf(const Way& way, double bound);

// The way that costs least on average, where exact attention follows upon one whose error is measured above the bound:
// c + (1 - p) x for one that costs c and holds with probability p, x the cost of exact attention. Null: exact
// attention. A way that may fail is taken only where exact attention after it would end little later than it would have
// alone, and only ways that end within the budget are. Where exact attention itself does not: the cheapest that hardly
// fails, else the one that fails least; null where all of them would.
const Way* ChooseWay(absl::Span<const Way> ways, const Terms& terms);

// Of the ways within the budget, the one whose error is least; null: there is none.
const Way* BestWithinBudget(absl::Span<const Way> ways, const Terms& terms);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_WAY_CHOICE_H_
