#include "server/services/attention_service.h"

#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/convert/attend_response_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/statistics_conversion.h"
#include "server/execution/queue_wait.h"
#include "server/rpc/response_bytes.h"
#include "server/services/attend_reception.h"
#include "server/services/attend_stream_method.h"
#include "server/services/calibrate_method.h"
#include "server/services/state_methods.h"

namespace favor {
namespace {

constexpr char kService[] = "favor.v1.AttentionService";

// The report and the header of the output take some hundred bytes.
constexpr int64_t kMaxHeaderBytes = 4096;

// Of those that mode auto may measure.
int64_t AnchorStatisticsBytes(const AttendWork& work) {
  constexpr int64_t kPerNumber = sizeof(double), kPerHead = 64;
  const int64_t dim = work.keys.shape.dim;
  return work.keys.shape.num_heads * ((kMaxAutoAnchors + dim + 1) * dim * kPerNumber + kPerHead);
}

// Bytes of the statistics that a call measures and reports.
int64_t MeasuredBytes(const AttendWork& work) {
  const FeatureSpec features = FeaturesThatRun(work.spec);
  if (work.automatic.has_value()) return work.spec.causal ? 0 : AnchorStatisticsBytes(work);
  const bool measures = work.spec.mode == AttentionMode::kFeatures && UsesStatistics(features);
  if (!measures || features.statistics != nullptr) return 0;
  return MaxStatisticsBytes(features, {work.keys.shape.dim, work.keys.shape.num_heads});
}

// In mode auto, what ran is known only then.
v1::AttentionSpec SpecThatRan(const v1::AttentionSpec& planned, const AttendResult& result) {
  if (!result.automatic) return planned;
  SpecWork ran;
  ran.spec = result.automatic->spec;
  ran.axis_order = result.axis_order;
  return EffectiveSpec(ran);
}

int64_t OutputBytes(const AttendWork& work) { return work.OutputShape().num_elements() * SizeOf(work.output_type); }

// What a message has for the report's statistics; below 0: not even for the output.
int64_t RoomBesideOutput(const AttendWork& work, int64_t max_message_bytes) {
  return max_message_bytes - kMaxHeaderBytes - OutputBytes(work);
}

absl::Status CheckResponseFits(const AttendWork& work, int64_t max_message_bytes) {
  const int64_t bytes = OutputBytes(work), room = RoomBesideOutput(work, max_message_bytes);
  if (room < 0) {
    return FieldError("values.shape",
                      absl::StrCat("values.value_dim is ", work.values.shape.dim, ", which makes ", bytes,
                                   " bytes of output, a message has at most ", max_message_bytes));
  }
  if (MeasuredBytes(work) <= room || work.automatic.has_value()) return absl::OkStatus();
  return FieldError(
      "keys.shape",
      absl::StrCat("keys.num_heads is ", work.keys.shape.num_heads, ", whose statistics take ", MeasuredBytes(work),
                   " bytes of the report beside ", bytes, " of output, a message has at most ", max_message_bytes));
}

// Mode auto can do without: what ran may have none, and nobody has to know them to ask for the same again.
bool ReportsStatistics(const AttendWork& work, int64_t max_message_bytes) {
  return MeasuredBytes(work) <= RoomBesideOutput(work, max_message_bytes);
}

int64_t NumQueries(const AttendWork& work) {
  if (work.query_lengths.empty()) return work.queries.shape.batch_size * work.queries.shape.length;
  return std::accumulate(work.query_lengths.begin(), work.query_lengths.end(), int64_t{0});
}

}  // namespace

AttentionService::AttentionService(const AttentionDependencies& dependencies, const CallObservers& observers)
    : dependencies_(dependencies), service_(kService) {
  using Call = std::shared_ptr<UnaryCall>;
  const auto add = [&](const char* name, std::function<void(Call)> handle) {
    methods_.push_back({observers.ForMethod(kService, name, "unary"), service_.Add(name), std::move(handle),
                        [this](Priority priority) { return dependencies_.admission->CheckRoom(priority); }});
  };
  add("Attend", [this](Call call) { Attend(std::move(call)); });
  add("Fold", [this](Call call) { Fold(dependencies_, std::move(call)); });
  add("Merge", [this](Call call) { Merge(dependencies_, std::move(call)); });
  add("Read", [this](Call call) { Read(dependencies_, std::move(call)); });
  add("Calibrate", [this](Call call) { Calibrate(dependencies_, std::move(call)); });
  attend_stream_ = {observers.ForMethod(kService, "AttendStream", "bidi_stream"), service_.Add("AttendStream"),
                    observers.open_streams,
                    [this](std::shared_ptr<StreamCall> call) { AttendStream(dependencies_, std::move(call)); }};
}

RpcServer::Service AttentionService::ForServer() {
  return {kService, &service_, [this](grpc::ServerCompletionQueue* queue) {
            for (const UnaryCall::Method& method : methods_) UnaryCall::ListenFor(&method, queue);
            StreamCall::ListenFor(&attend_stream_, queue);
          }};
}

void AttentionService::Attend(std::shared_ptr<UnaryCall> call) const {
  absl::StatusOr<Admission::Reservation> admitted =
      dependencies_.admission->Admit(call->request_bytes(), "the request", call->priority());
  if (!admitted.ok()) return call->Fail(admitted.status());
  auto reservation = std::make_shared<Admission::Reservation>(*std::move(admitted));
  ReceiveAttend(call, dependencies_.compute, reservation.get(),
                [this, call, reservation](absl::StatusOr<AttendWork> work) {
                  if (!work.ok()) return FailAttend(*call, work.status());
                  Execute(call, reservation, *std::move(work));
                });
}

void AttentionService::FailAttend(UnaryCall& call, const absl::Status& status) const {
  if (const std::optional<absl::Duration> wait = QueueWaitOf(status)) dependencies_.metrics->RecordAttendGivenUp(*wait);
  call.Fail(status);
}

void AttentionService::Execute(std::shared_ptr<UnaryCall> call, std::shared_ptr<Admission::Reservation> reservation,
                               AttendWork work) const {
  absl::Status fits = CheckResponseFits(work, dependencies_.max_message_bytes);
  if (!fits.ok()) return call->Fail(fits);
  const bool reports_statistics = ReportsStatistics(work, dependencies_.max_message_bytes);
  // As a message, and as its bytes.
  const int64_t statistics_bytes = reports_statistics ? 2 * MeasuredBytes(work) : 0;
  absl::Status admitted = reservation->Grow(statistics_bytes, "the statistics of the report");
  if (!admitted.ok()) return call->Fail(admitted);
  v1::AttentionSpec spec = EffectiveSpec(work);
  const int64_t num_tokens = NumQueries(work);
  Admission::Reservation* held = reservation.get();
  dependencies_.execution->Start(
      std::move(work), held, call->cancellation(),
      [this, call, reservation, spec, num_tokens, reports_statistics](absl::StatusOr<AttendResult> result) {
        if (!result.ok()) return FailAttend(*call, AboutStatistics(result.status()));
        if (!reports_statistics) result->automatic->spec.features.statistics = result->report.statistics = nullptr;
        call->set_timing(result->timing);
        dependencies_.metrics->RecordAttend(result->timing, num_tokens, result->report.degenerate_rows);
        if (result->automatic) dependencies_.metrics->RecordAutomatic(*result->automatic);
        const absl::Time computed = absl::Now();
        std::string header = ResponseHeader(*result, ToReport(*result, SpecThatRan(spec, *result)));
        grpc::ByteBuffer response = ResponseBytes(header, std::move(result->output.data), std::move(*reservation));
        dependencies_.metrics->RecordSerialise(absl::Now() - computed);
        call->Reply(response);
      });
}

}  // namespace favor
