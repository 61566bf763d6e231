#include "server/observability/span_exporter.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_collector.h"

namespace favor {
namespace {

using testing::FakeCollector;
using ::testing::SizeIs;
using Span = FakeCollector::Span;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00f067aa0ba902b7";
constexpr char kOwn[] = "b7ad6b7169203331";

const Log& QuietLog() {
  static const Log log(2, LogLevel::kError);
  return log;
}

CallSpan MakeSpan(const absl::Status& status = absl::OkStatus(), const Timing& timing = {}) {
  static const std::string service = "favor.v1.AttentionService", method = "Attend", peer = "ipv4:10.0.0.7:1234",
                           key = "alice";
  TraceContext trace{kTrace, kParent, true, "vendor=1", kOwn};
  return CallSpan({service,
                   method,
                   status,
                   peer,
                   key,
                   trace,
                   {1, 10},
                   {1, 20},
                   timing,
                   absl::Milliseconds(50),
                   true,
                   absl::FromUnixMillis(1'000)});
}

SpanExporterOptions Quick(const std::string& target) {
  SpanExporterOptions options;
  options.target = target;
  options.service_name = "attention";
  options.period = absl::Milliseconds(20);
  options.retry_delay = absl::Milliseconds(20);
  options.longest_delay = absl::Milliseconds(50);
  return options;
}

template <typename Condition>
bool Eventually(Condition condition) {
  const absl::Time end = absl::Now() + absl::Seconds(60);
  while (!condition() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(5));
  return condition();
}

std::map<std::string, std::string> AttributesOf(const Span& span) {
  std::map<std::string, std::string> attributes;
  for (const auto& attribute : span.attributes()) {
    const auto& value = attribute.value();
    attributes[attribute.key()] = value.has_string_value() ? value.string_value()
                                  : value.has_int_value()  ? std::to_string(value.int_value())
                                                           : std::to_string(value.double_value());
  }
  return attributes;
}

// What arrives of one call.
std::vector<Span> Exported(CallSpan span) {
  FakeCollector collector;
  SpanExporter exporter(Quick(collector.target()), &QuietLog());
  exporter.Add(std::move(span));
  exporter.Stop(absl::Seconds(20));
  return collector.spans();
}

TEST(SpanExporter, ACallIsASpanOfItsCallersTrace) {
  const std::vector<Span> spans = Exported(MakeSpan());
  ASSERT_THAT(spans, SizeIs(1));
  const Span& span = spans[0];
  EXPECT_EQ(absl::BytesToHexString(span.trace_id()), kTrace);
  EXPECT_EQ(absl::BytesToHexString(span.parent_span_id()), kParent);
  EXPECT_EQ(absl::BytesToHexString(span.span_id()), kOwn);
  EXPECT_EQ(span.trace_state(), "vendor=1");
  EXPECT_EQ(span.flags(), 0x301u);
  EXPECT_EQ(span.name(), "favor.v1.AttentionService/Attend");
  EXPECT_EQ(span.kind(), Span::SPAN_KIND_SERVER);
  EXPECT_EQ(span.start_time_unix_nano(), 1'000'000'000u);
  EXPECT_EQ(span.end_time_unix_nano(), 1'050'000'000u);
  EXPECT_EQ(span.status().code(), opentelemetry::proto::trace::v1::Status::STATUS_CODE_UNSET);
  const auto attributes = AttributesOf(span);
  EXPECT_EQ(attributes.at("rpc.system"), "grpc");
  EXPECT_EQ(attributes.at("rpc.service"), "favor.v1.AttentionService");
  EXPECT_EQ(attributes.at("rpc.method"), "Attend");
  EXPECT_EQ(attributes.at("rpc.grpc.status_code"), "0");
  EXPECT_EQ(attributes.at("network.peer.address"), "10.0.0.7");
  EXPECT_EQ(attributes.at("network.peer.port"), "1234");
  EXPECT_EQ(attributes.at("favor.key"), "alice");
  EXPECT_EQ(attributes.at("favor.request_bytes"), "10");
  EXPECT_EQ(attributes.at("favor.response_bytes"), "20");
}

TEST(SpanExporter, WaitAndComputationAreSpansBelowIt) {
  Timing timing{absl::Milliseconds(10), absl::Milliseconds(25), absl::FromUnixMillis(1'015)};
  const std::vector<Span> spans = Exported(MakeSpan(absl::OkStatus(), timing));
  ASSERT_THAT(spans, SizeIs(3));
  EXPECT_EQ(spans[1].name(), "queue");
  EXPECT_EQ(spans[1].start_time_unix_nano(), 1'005'000'000u);
  EXPECT_EQ(spans[1].end_time_unix_nano(), 1'015'000'000u);
  EXPECT_EQ(spans[2].name(), "compute");
  EXPECT_EQ(spans[2].start_time_unix_nano(), 1'015'000'000u);
  EXPECT_EQ(spans[2].end_time_unix_nano(), 1'040'000'000u);
  for (const Span* span : {&spans[1], &spans[2]}) {
    EXPECT_EQ(span->trace_id(), spans[0].trace_id());
    EXPECT_EQ(span->parent_span_id(), spans[0].span_id());
    EXPECT_EQ(span->kind(), Span::SPAN_KIND_INTERNAL);
  }
  EXPECT_NE(spans[1].span_id(), spans[2].span_id());
}

TEST(SpanExporter, WhatIsTheCallersFaultIsNoError) {
  const auto code = [](const absl::Status& status) { return Exported(MakeSpan(status)).at(0).status().code(); };
  EXPECT_EQ(code(absl::InternalError("broken")), opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(code(absl::InvalidArgumentError("bad")), opentelemetry::proto::trace::v1::Status::STATUS_CODE_UNSET);
}

TEST(SpanExporter, TellsWhoItIs) {
  FakeCollector collector;
  SpanExporter exporter(Quick(collector.target()), &QuietLog());
  exporter.Add(MakeSpan());
  ASSERT_TRUE(Eventually([&] { return !collector.requests().empty(); }));
  std::map<std::string, std::string> resource;
  const FakeCollector::Request request = collector.requests()[0];
  for (const auto& attribute : request.resource_spans(0).resource().attributes()) {
    resource[attribute.key()] = attribute.value().string_value();
  }
  EXPECT_EQ(resource["service.name"], "attention");
  EXPECT_NE(resource["service.version"], "");
  EXPECT_NE(resource["service.instance.id"], "");
}

TEST(SpanExporter, SendsWhatGatheredInBatches) {
  FakeCollector collector;
  SpanExporterOptions options = Quick(collector.target());
  options.period = absl::Hours(1);
  options.max_batch = 10;
  SpanExporter exporter(options, &QuietLog());
  for (int i = 0; i < 25; ++i) exporter.Add(MakeSpan());
  EXPECT_TRUE(Eventually([&] { return collector.spans().size() == 20; }));
  EXPECT_THAT(collector.requests(), SizeIs(2)) << "the last five wait for more";
  exporter.Stop(absl::Seconds(20));
  EXPECT_THAT(collector.spans(), SizeIs(25)) << "or for the end";
  EXPECT_EQ(exporter.stats().exported, 25);
}

TEST(SpanExporter, WhatWaitsIsBounded) {
  FakeCollector collector;
  collector.FallSilent();
  SpanExporterOptions options = Quick(collector.target());
  options.max_waiting = 100;
  options.max_batch = 10;
  SpanExporter exporter(options, &QuietLog());
  exporter.Add(MakeSpan());
  ASSERT_TRUE(Eventually([&] { return collector.num_attempts() == 1; }));
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 1000; ++i) exporter.Add(MakeSpan());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5)) << "nobody waits for a silent collector";
  EXPECT_EQ(exporter.stats().dropped, 900);
}

TEST(SpanExporter, TriesAgainUntilTheCollectorIsThere) {
  FakeCollector collector;
  collector.Answer({grpc::StatusCode::UNAVAILABLE, "starting"});
  SpanExporter exporter(Quick(collector.target()), &QuietLog());
  exporter.Add(MakeSpan());
  ASSERT_TRUE(Eventually([&] { return collector.num_attempts() >= 3; }));
  collector.Answer(grpc::Status::OK);
  EXPECT_TRUE(Eventually([&] { return exporter.stats().exported == 1; }));
  EXPECT_THAT(collector.spans(), SizeIs(1));
}

TEST(SpanExporter, WhatTheCollectorRefusesIsNotSentAgain) {
  FakeCollector collector;
  collector.Answer({grpc::StatusCode::INVALID_ARGUMENT, "no"});
  SpanExporter exporter(Quick(collector.target()), &QuietLog());
  exporter.Add(MakeSpan());
  ASSERT_TRUE(Eventually([&] { return exporter.stats().failed == 1; }));
  FakeCollector::Response partly;
  partly.mutable_partial_success()->set_rejected_spans(1);
  collector.Answer(grpc::Status::OK, partly);
  exporter.Add(MakeSpan());
  ASSERT_TRUE(Eventually([&] { return exporter.stats().failed == 2; }));
  EXPECT_EQ(collector.num_attempts(), 2);
}

TEST(SpanExporter, StopIsBoundedWhateverTheCollectorDoes) {
  {
    FakeCollector collector;
    collector.FallSilent();
    SpanExporter exporter(Quick(collector.target()), &QuietLog());
    for (int i = 0; i < 1000; ++i) exporter.Add(MakeSpan());
    ASSERT_TRUE(Eventually([&] { return collector.num_attempts() == 1; }));
    const absl::Time begin = absl::Now();
    exporter.Stop(absl::Milliseconds(200));
    EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
    EXPECT_EQ(exporter.stats().failed, 1000);
  }
  SpanExporter exporter(Quick("127.0.0.1:1"), &QuietLog());  // where nobody is
  exporter.Add(MakeSpan());
  const absl::Time begin = absl::Now();
  exporter.Stop(absl::Milliseconds(200));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
  EXPECT_EQ(exporter.stats().failed, 1);
}

}  // namespace
}  // namespace favor
