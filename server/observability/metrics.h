#ifndef FAVOR_SERVER_OBSERVABILITY_METRICS_H_
#define FAVOR_SERVER_OBSERVABILITY_METRICS_H_

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "favor/attention/auto_spec.h"
#include "prometheus/collectable.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"
#include "server/execution/admission.h"
#include "server/execution/compute.h"
#include "server/observability/traced_calls.h"

namespace favor {

// One method's counters, looked up once: prometheus-cpp hashes labels under a lock.
struct MethodMetrics {
  prometheus::Counter* started;
  prometheus::Counter* messages_received;
  prometheus::Counter* messages_sent;
  prometheus::Counter* request_bytes;
  prometheus::Counter* response_bytes;
  prometheus::Histogram* handling_seconds;
  std::array<prometheus::Counter*, 17> handled;  // by absl::StatusCode, which are gRPC's codes
};

// Every metric of the server: this class and its .cc are the one place that names them. Labels take values from fixed
// sets only. Thread-safe.
class Metrics : public prometheus::Collectable {
 public:
  Metrics();

  // `type` is "unary" or "bidi_stream". Each method is to be asked for once.
  MethodMetrics ForMethod(const std::string& service, const std::string& method, const std::string& type);

  // One Attend call that was answered.
  void RecordAttend(const Timing& timing, int64_t num_tokens, int64_t degenerate_rows);
  // One Attend call of mode auto that was answered.
  void RecordAutomatic(const AutoOutcome& outcome);
  // The error of one approximate Attend call that had not asked for it.
  void RecordLiveError(double relative_error) { live_error_.Observe(relative_error); }

  // One Embed call that was answered: its inputs, and the tokens that the encoder ran over for it.
  void RecordEmbed(const Timing& timing, int64_t num_inputs, int64_t num_tokens);
  // Calls that ended since their time was up or their caller had left, and how long they had waited.
  void RecordAttendGivenUp(absl::Duration wait) { queue_wait_seconds_.Observe(absl::ToDoubleSeconds(wait)); }
  void RecordEmbedGivenUp(absl::Duration wait) { embed_queue_wait_seconds_.Observe(absl::ToDoubleSeconds(wait)); }
  // One batch of inputs that started.
  void RecordEmbedBatch(int64_t num_tokens) { embed_batch_tokens_.Observe(static_cast<double>(num_tokens)); }
  // The inputs of one call that were read and tokenised.
  void RecordTokenize(absl::Duration time) { embed_tokenize_seconds_.Observe(absl::ToDoubleSeconds(time)); }
  // Of one answer, from the end of its computation to the bytes of the message.
  void RecordSerialise(absl::Duration time) { serialise_seconds_.Observe(absl::ToDoubleSeconds(time)); }
  // One attempt to load a model.
  void RecordModelLoad(const absl::Status& status) { (status.ok() ? models_loaded_ : models_failed_).Increment(); }

  // Where to read, at every scrape, what others count. To be called before the first Collect().
  struct Sources {
    std::function<AdmissionStats()> admission = nullptr;
    std::function<int64_t()> calls_in_flight = nullptr;
    std::function<int64_t()> embed_waiting_tokens = nullptr;
    std::function<int64_t()> models = nullptr;
    std::function<int64_t()> open_streams = nullptr;
    // Reasons beside those of admission, and how often each was the reason. A fixed set.
    std::function<std::vector<std::pair<const char*, int64_t>>()> refusals = nullptr;
    std::function<absl::Time()> certificate_expiry = nullptr;  // null without TLS
    std::function<int64_t()> queue_jobs = nullptr;
    std::function<absl::Duration()> queue_age = nullptr;
    std::function<std::array<int64_t, kNumPriorities>()> shed = nullptr;  // calls refused for lack of room, by Priority
    std::function<TracedCalls()> traced_calls = nullptr;                  // null: nothing is traced
    std::function<int64_t()> log_lines_dropped = nullptr;
  };
  void SetSources(Sources sources) { sources_ = std::move(sources); }

  // All metrics, those of the process included. Thread-safe.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& started_;
  prometheus::Family<prometheus::Counter>& handled_;
  prometheus::Family<prometheus::Counter>& messages_received_;
  prometheus::Family<prometheus::Counter>& messages_sent_;
  prometheus::Family<prometheus::Counter>& request_bytes_;
  prometheus::Family<prometheus::Counter>& response_bytes_;
  prometheus::Family<prometheus::Histogram>& handling_seconds_;
  prometheus::Histogram& queue_wait_seconds_;
  prometheus::Histogram& compute_seconds_;
  prometheus::Counter& tokens_;
  prometheus::Counter& degenerate_rows_;
  prometheus::Family<prometheus::Counter>& auto_calls_;
  prometheus::Counter& auto_exact_;
  prometheus::Counter& auto_anchors_;
  prometheus::Counter& auto_escalations_;
  prometheus::Counter& auto_missed_;
  prometheus::Histogram& auto_error_;
  prometheus::Histogram& live_error_;
  prometheus::Counter& embed_inputs_;
  prometheus::Counter& embed_tokens_;
  prometheus::Histogram& embed_batch_tokens_;
  prometheus::Histogram& embed_queue_wait_seconds_;
  prometheus::Histogram& embed_compute_seconds_;
  prometheus::Histogram& embed_tokenize_seconds_;
  prometheus::Histogram& serialise_seconds_;
  prometheus::Family<prometheus::Counter>& model_loads_;
  prometheus::Counter& models_loaded_;
  prometheus::Counter& models_failed_;
  Sources sources_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_METRICS_H_
