#include "server/observability/tracer.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace favor {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";

TraceContext Begun(double ratio, TraceContext trace) {
  Tracer(nullptr, ratio).Begin(&trace);
  return trace;
}

TEST(Tracer, TheCallersDecisionHoldsWhateverTheRatio) {
  EXPECT_NE(Begun(0, {kTrace, kSpan, true}).span_id, "");
  EXPECT_EQ(Begun(1, {kTrace, kSpan, false}).span_id, "");
  EXPECT_NE(Begun(0, {"", "", true}).span_id, "") << "b3: 1 names no trace";
  EXPECT_EQ(Begun(1, {"", "", false}).span_id, "");
}

TEST(Tracer, KeepsTheCallersTraceAndMakesOneWhereThereIsNone) {
  const TraceContext child = Begun(0, {kTrace, kSpan, true});
  EXPECT_EQ(child.trace_id, kTrace);
  EXPECT_EQ(child.parent_span_id, kSpan);
  EXPECT_EQ(child.span_id.size(), 16u);
  EXPECT_NE(child.span_id, kSpan);

  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    const TraceContext root = Begun(1, {});
    EXPECT_EQ(root.trace_id.size(), 32u);
    EXPECT_EQ(root.parent_span_id, "");
    ids.insert(root.trace_id);
    ids.insert(root.span_id);
  }
  EXPECT_EQ(ids.size(), 200u);
}

TEST(Tracer, WithoutADecisionTheRatioDecides) {
  int sampled = 0;
  for (int i = 0; i < 20'000; ++i) sampled += Begun(0.1, {}).span_id.empty() ? 0 : 1;
  EXPECT_NEAR(sampled, 2000, 6 * 42) << "six standard deviations";
  EXPECT_EQ(Begun(0, {}).trace_id, "");
  EXPECT_NE(Begun(1, {"ffffffffffffffffffffffffffffffff", kSpan}).span_id, "");
}

TEST(Tracer, DecidesTheSameForTheSameTrace) {
  // The last 14 digits, as a share of what they could be, are compared with the ratio.
  for (int i = 0; i < 10; ++i) {
    EXPECT_NE(Begun(0.5, {std::string(18, '0') + "7fffffffffffff", kSpan}).span_id, "");
    EXPECT_EQ(Begun(0.5, {std::string(18, '0') + "80000000000000", kSpan}).span_id, "");
  }
}

}  // namespace
}  // namespace favor
