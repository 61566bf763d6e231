// Traces reach a collector; one that is gone disturbs nobody.
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/fake_collector.h"

namespace favor::testing {
namespace {

using ::testing::SizeIs;
using Span = FakeCollector::Span;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00f067aa0ba902b7";

AttendAnswer AttendWith(Favord& favord, const std::string& header, const std::string& value) {
  grpc::ClientContext context;
  context.AddMetadata(header, value);
  return Attend(favord.channel(), GoodRequest(), {.context = &context});
}

double Traced(const Favord& favord, const std::string& result) {
  return favord.Metrics().Sum("favor_traced_calls_total", {{"result", result}});
}

TEST(Traces, ACallIsASpanBelowItsCallersWithItsWaitAndItsComputationBelow) {
  FakeCollector collector;
  Favord favord({.flags = {"--otlp-endpoint", collector.url(), "--trace-sample-ratio", "0"}});
  const absl::Time before = absl::Now();
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());  // not sampled
  ASSERT_TRUE(AttendWith(favord, "traceparent", absl::StrCat("00-", kTrace, "-", kParent, "-00")).ok());
  ASSERT_TRUE(AttendWith(favord, "traceparent", absl::StrCat("00-", kTrace, "-", kParent, "-01")).ok());
  ASSERT_TRUE(Eventually([&] { return Traced(favord, "exported") == 1; }));
  const std::vector<Span> spans = collector.spans();
  ASSERT_THAT(spans, SizeIs(3));
  EXPECT_EQ(absl::BytesToHexString(spans[0].trace_id()), kTrace);
  EXPECT_EQ(absl::BytesToHexString(spans[0].parent_span_id()), kParent);
  EXPECT_EQ(spans[0].name(), "favor.v1.AttentionService/Attend");
  EXPECT_GE(spans[0].start_time_unix_nano(), absl::ToUnixNanos(before));
  EXPECT_LE(spans[0].end_time_unix_nano(), absl::ToUnixNanos(absl::Now()));
  EXPECT_EQ(spans[1].name(), "queue");
  EXPECT_EQ(spans[2].name(), "compute");
  for (size_t i = 1; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i].parent_span_id(), spans[0].span_id());
    EXPECT_GE(spans[i].start_time_unix_nano(), spans[0].start_time_unix_nano());
    EXPECT_GE(spans[i].end_time_unix_nano(), spans[i].start_time_unix_nano());
    EXPECT_LE(spans[i].end_time_unix_nano(), spans[0].end_time_unix_nano());
  }
  EXPECT_EQ(favord.Stop(), 0);
}

TEST(Traces, OfB3CallersAndOfCallsWithoutOneAreTakenToo) {
  FakeCollector collector;
  Favord favord({.flags = {"--trace-sample-ratio", "1"},
                 .environment = {"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.url(), "OTEL_SERVICE_NAME=scorer"}});
  ASSERT_TRUE(AttendWith(favord, "b3", absl::StrCat(kTrace, "-", kParent, "-1")).ok());
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  EXPECT_EQ(favord.Stop(), 0);  // which sends what waits
  const std::vector<Span> spans = collector.spans();
  ASSERT_THAT(spans, SizeIs(6));
  EXPECT_EQ(absl::BytesToHexString(spans[0].trace_id()), kTrace);
  EXPECT_EQ(spans[3].parent_span_id(), "");
  EXPECT_EQ(spans[3].trace_id().size(), 16u);
  EXPECT_NE(spans[3].trace_id(), spans[0].trace_id());
  // Whoever reads the log finds the trace.
  const std::string log = favord.process().err().text();
  EXPECT_THAT(log, ::testing::HasSubstr(absl::BytesToHexString(spans[3].trace_id())));
  EXPECT_EQ(collector.requests()[0].resource_spans(0).resource().attributes(0).value().string_value(), "scorer");
}

TEST(Traces, ACollectorThatIsGoneOrSilentDisturbsNobody) {
  FakeCollector silent;
  silent.FallSilent();
  for (const std::string& url : {std::string("http://127.0.0.1:1"), silent.url()}) {
    Favord favord({.flags = {"--otlp-endpoint", url, "--trace-sample-ratio", "1"}});
    for (int i = 0; i < 50; ++i) {
      const AttendAnswer answer = Attend(favord.channel(), GoodRequest());
      ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    }
    const absl::Time stopped = absl::Now();
    EXPECT_EQ(favord.Stop(), 0);
    EXPECT_LT(absl::Now() - stopped, absl::Seconds(15)) << "two seconds for traces";
  }
}

TEST(Traces, AreOffUnlessThereIsACollector) {
  Favord favord;
  ASSERT_TRUE(AttendWith(favord, "traceparent", absl::StrCat("00-", kTrace, "-", kParent, "-01")).ok());
  EXPECT_EQ(Traced(favord, "exported") + Traced(favord, "failed") + Traced(favord, "dropped"), 0);
  EXPECT_EQ(RunFavord({"--check", "--otlp-endpoint", "https://collector", "--otlp-ca", "/nowhere.pem"}).exit_code, 2);
}

}  // namespace
}  // namespace favor::testing
