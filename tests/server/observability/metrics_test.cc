#include "server/observability/metrics.h"

#include <string>

#include "favor/base/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace favor {
namespace {

using testing::HasSubstr;

std::string Page(const Metrics& metrics) { return prometheus::TextSerializer().Serialize(metrics.Collect()); }

TEST(Metrics, CarryTheNamesAndLabelsThatDashboardsKnow) {
  Metrics metrics;
  const MethodMetrics method = metrics.ForMethod("favor.v1.AttentionService", "Attend", "unary");
  method.started->Increment();
  method.handled[3]->Increment();
  method.handling_seconds->Observe(0.01);
  const std::string page = Page(metrics);
  const std::string labels = R"(grpc_method="Attend",grpc_service="favor.v1.AttentionService",grpc_type="unary"})";
  EXPECT_THAT(page, HasSubstr("grpc_server_started_total{" + labels + " 1\n"));
  EXPECT_THAT(page, HasSubstr("grpc_server_handled_total{grpc_code=\"InvalidArgument\"," + labels + " 1\n"));
  EXPECT_THAT(page, HasSubstr("grpc_server_handled_total{grpc_code=\"OK\"," + labels + " 0\n"));
  EXPECT_THAT(page, HasSubstr("grpc_server_handling_seconds_count{" + labels + " 1\n"));
  EXPECT_THAT(page, HasSubstr("grpc_server_msg_received_total{" + labels + " 0\n"));
  EXPECT_THAT(page, HasSubstr("grpc_server_msg_sent_total{" + labels + " 0\n"));
}

TEST(Metrics, RecordQueueComputeTokensAndDegenerateRows) {
  Metrics metrics;
  metrics.RecordAttend({absl::Microseconds(60), absl::Seconds(50)}, 128, 3);
  const std::string page = Page(metrics);
  EXPECT_THAT(page, HasSubstr("favor_queue_wait_seconds_bucket{le=\"5e-05\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("favor_queue_wait_seconds_bucket{le=\"0.0001\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_compute_seconds_bucket{le=\"30\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("favor_compute_seconds_bucket{le=\"60\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_tokens_total 128\n"));
  EXPECT_THAT(page, HasSubstr("favor_degenerate_rows_total 3\n"));
}

TEST(Metrics, RecordErrorsMeasuredOnLiveCalls) {
  Metrics metrics;
  metrics.RecordLiveError(0.2);
  EXPECT_THAT(Page(metrics), HasSubstr("favor_live_error_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(Page(metrics), HasSubstr("favor_live_error_bucket{le=\"0.3\"} 1\n"));
}

TEST(Metrics, RecordWhatModeAutoDid) {
  Metrics metrics;
  AutoOutcome exact, approximate;
  exact.spec.mode = AttentionMode::kExact;
  exact.num_escalations = 1;
  approximate.measured = ErrorEstimate{.relative_error = 0.02};
  approximate.missed = true;
  metrics.RecordAutomatic(exact);
  metrics.RecordAutomatic(approximate);
  const std::string page = Page(metrics);
  EXPECT_THAT(page, HasSubstr("favor_auto_calls_total{ran=\"exact\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_auto_calls_total{ran=\"anchors\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_auto_escalations_total 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_auto_missed_total 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_auto_error_bucket{le=\"0.01\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("favor_auto_error_bucket{le=\"0.03\"} 1\n"));
}

TEST(Metrics, RecordEmbeddingsBatchesAndLoads) {
  Metrics metrics;
  metrics.RecordEmbed({absl::Microseconds(60), absl::Seconds(50)}, 3, 128);
  metrics.RecordEmbedBatch(4096);
  metrics.RecordTokenize(absl::Milliseconds(3));
  metrics.RecordModelLoad(absl::OkStatus());
  metrics.RecordModelLoad(absl::NotFoundError("config.json"));
  metrics.RecordModelLoad(absl::NotFoundError("config.json"));
  metrics.SetSources({nullptr, nullptr, [] { return int64_t{77}; }, [] { return int64_t{2}; }});
  const std::string page = Page(metrics);
  EXPECT_THAT(page, HasSubstr("favor_embed_inputs_total 3\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_tokens_total 128\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_batch_tokens_bucket{le=\"2048\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_batch_tokens_bucket{le=\"4096\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_queue_wait_seconds_bucket{le=\"0.0001\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_compute_seconds_bucket{le=\"30\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_tokenize_seconds_bucket{le=\"0.0025\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("favor_model_loads_total{result=\"ok\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("favor_model_loads_total{result=\"error\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("favor_embed_queue_tokens 77\n"));
  EXPECT_THAT(page, HasSubstr("favor_models_loaded 2\n"));
}

TEST(Metrics, ReadAdmissionAndTheProcessAtEveryScrape) {
  Metrics metrics;
  int64_t bytes = 5;
  metrics.SetSources(
      {[&] { return AdmissionStats{.admitted_bytes = bytes, .model_bytes = 90, .refused_for_memory = 2}; },
       [] { return int64_t{7}; }, nullptr, nullptr, [] { return int64_t{3}; },
       [] {
         return std::vector<std::pair<const char*, int64_t>>{{"streams", 4}};
       }});
  EXPECT_THAT(Page(metrics), HasSubstr("favor_admitted_bytes 5\n"));
  bytes = 6;
  const std::string page = Page(metrics);
  EXPECT_THAT(page, HasSubstr("favor_admitted_bytes 6\n"));
  EXPECT_THAT(page, HasSubstr("favor_model_bytes 90\n"));
  EXPECT_THAT(page, HasSubstr("favor_rejected_total{reason=\"memory\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("favor_rejected_total{reason=\"streams\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("favor_calls_in_flight 7\n"));
  EXPECT_THAT(page, HasSubstr("favor_open_streams 3\n"));
  EXPECT_THAT(page, HasSubstr(std::string("favor_build_info{version=\"") + kVersion + "\",cpu_target="));
  EXPECT_THAT(page, HasSubstr("\nprocess_cpu_seconds_total "));  // may still be 0
  for (const char* name :
       {"process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"}) {
    EXPECT_THAT(page, HasSubstr(std::string("\n") + name + " "));
    EXPECT_THAT(page, testing::Not(HasSubstr(std::string("\n") + name + " 0\n")));
  }
}

}  // namespace
}  // namespace favor
