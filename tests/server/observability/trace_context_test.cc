#include "server/observability/trace_context.h"

#include <map>
#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace favor {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";

TraceContext Read(const std::map<std::string, std::string, std::less<>>& headers) {
  return ReadTraceContext([&](absl::string_view name) {
    const auto found = headers.find(std::string(name));
    return found == headers.end() ? absl::string_view() : absl::string_view(found->second);
  });
}

void ExpectTrace(const TraceContext& context, std::optional<bool> sampled) {
  EXPECT_EQ(context.trace_id, kTrace);
  EXPECT_EQ(context.parent_span_id, kSpan);
  EXPECT_EQ(context.sampled, sampled);
}

TEST(TraceContext, IsReadFromTraceparent) {
  const std::string ids = std::string(kTrace) + "-" + kSpan;
  ExpectTrace(Read({{"traceparent", "00-" + ids + "-01"}}), true);
  ExpectTrace(Read({{"traceparent", "00-" + ids + "-00"}}), false);
  ExpectTrace(Read({{"traceparent", "cc-" + ids + "-0B-what-the-future-brings"}}), true);
}

TEST(TraceContext, IsReadFromB3InOneHeaderOrSeveral) {
  ExpectTrace(Read({{"b3", std::string(kTrace) + "-" + kSpan + "-1-05e3ac9a4f6e3b90"}}), true);
  ExpectTrace(Read({{"b3", std::string(kTrace) + "-" + kSpan}}), std::nullopt);
  ExpectTrace(Read({{"b3", std::string(kTrace) + "-" + kSpan + "-0"}}), false);
  ExpectTrace(Read({{"x-b3-traceid", kTrace}, {"x-b3-spanid", kSpan}, {"x-b3-sampled", "1"}}), true);
  EXPECT_EQ(Read({{"b3", "a3ce929d0e0e4736-00f067aa0ba902b7-d"}}).trace_id, "0000000000000000a3ce929d0e0e4736");
}

TEST(TraceContext, OfB3MayHoldADecisionAlone) {
  EXPECT_EQ(Read({{"b3", "0"}}).sampled, false);
  EXPECT_EQ(Read({{"x-b3-sampled", "1"}}).sampled, true);
  EXPECT_EQ(Read({}).sampled, std::nullopt);
  EXPECT_EQ(Read({{"b3", "0"}}).trace_id, "");
}

TEST(TraceContext, HandsTracestateOnUnlessItIsTooLong) {
  const std::string parent = std::string("00-") + kTrace + "-" + kSpan + "-01";
  EXPECT_EQ(Read({{"traceparent", parent}, {"tracestate", "vendor=1"}}).trace_state, "vendor=1");
  EXPECT_EQ(Read({{"traceparent", parent}, {"tracestate", std::string(513, 'x')}}).trace_state, "");
  EXPECT_EQ(Read({{"tracestate", "vendor=1"}}).trace_state, "") << "without a parent it belongs to nothing";
}

TEST(TraceContext, OfTraceparentWins) {
  ExpectTrace(Read({{"traceparent", std::string("00-") + kTrace + "-" + kSpan + "-01"},
                    {"b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0"}}),
              true);
}

TEST(TraceContext, ThatIsMalformedCountsAsAbsent) {
  for (const std::string text :
       {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", "0", "1", "4bf92f3577b34da6-"}) {
    EXPECT_EQ(Read({{"traceparent", text}}).trace_id, "") << text;
    EXPECT_EQ(Read({{"b3", text}}).trace_id, "") << text;
  }
}

}  // namespace
}  // namespace favor
