#include "favor/attention/way_choice.h"

#include <algorithm>
#include <cmath>

namespace favor::internal {
namespace {

// What a call may take, in units of exact attention, when its first way fails. The rest to 1.15 is for what the cost
// model does not know.
constexpr double kMostOfExact = 1.11;
// A way this sure may cost whatever it does.
constexpr double kSure = 0.998;

bool IsWithinBudget(const Way& way, const Terms& terms) { return terms.spent + way.seconds <= terms.budget; }

// Where nothing makes up for a miss: the cheapest way that hardly misses, or else the one that does so least.
const Way* ChooseWithoutExact(absl::Span<const Way> ways, const Terms& terms) {
  constexpr double kEnough = 0.95, kHopeless = 0.05;
  const Way* best = nullptr;
  double best_chance = kHopeless;
  for (const Way& way : ways) {
    if (!IsWithinBudget(way, terms)) continue;
    const double chance = std::min(ChanceOf(way, terms.bound), kEnough);
    const bool cheaper = best != nullptr && chance == best_chance && way.seconds < best->seconds;
    if (chance <= best_chance && !cheaper) continue;
    best_chance = chance;
    best = &way;
  }
  return best;
}

}  // namespace

double ChanceOf(const Way& way, double bound) {
  if (!(way.error > 0)) return way.error == 0 ? 1 : 0;  // not a number: no chance
  const double distance = std::log(bound / way.error) - way.margin;
  if (!(way.spread > 0)) return distance >= 0 ? 1 : 0;
  return 0.5 * std::erfc(-distance / way.spread * std::sqrt(0.5));
}

const Way* ChooseWay(absl::Span<const Way> ways, const Terms& terms) {
  if (terms.spent + terms.exact > terms.budget) return ChooseWithoutExact(ways, terms);
  const Way* best = nullptr;
  double least = terms.exact;
  for (const Way& way : ways) {
    const double chance = ChanceOf(way, terms.bound);
    const double worst = terms.spent + way.seconds + terms.exact;
    if (!IsWithinBudget(way, terms) || (chance < kSure && worst > kMostOfExact * terms.exact)) continue;
    const double average = way.seconds + (1 - chance) * terms.exact;
    if (average >= least) continue;
    least = average;
    best = &way;
  }
  return best;
}

const Way* BestWithinBudget(absl::Span<const Way> ways, const Terms& terms) {
  const Way* best = nullptr;
  for (const Way& way : ways) {
    if (IsWithinBudget(way, terms) && (best == nullptr || way.error < best->error)) best = &way;
  }
  return best;
}

}  // namespace favor::internal
