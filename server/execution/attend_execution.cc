#include "server/execution/attend_execution.h"

#include <algorithm>
#include <utility>

#include "favor/attention/auto_attention.h"
#include "favor/attention/error_measurement.h"
#include "favor/attention/error_prediction.h"
#include "server/execution/attend_size.h"

namespace favor {
namespace {

// Of heads that are fitted, what a plan holds before anybody can tell what its job takes: statistics and transforms
// without their numbers.
int64_t PlannedHeadBytes(const AttendWork& work) {
  constexpr int64_t kOfHead = 512;
  const FeatureSpec features = FeaturesThatRun(work.spec);
  const bool fits = work.spec.mode == AttentionMode::kFeatures && UsesStatistics(features);
  return fits ? work.keys.shape.num_heads * kOfHead : 0;
}

}  // namespace

// One call under way. Its stages run one after the other, each on the thread that ended the one before.
struct AttendExecution::Run {
  AttendWork work;
  Admission::Reservation* reservation;
  const Cancellation* cancellation;
  Done done;
  AttendResult result;
  std::unique_ptr<ErrorPrediction> prediction = nullptr;    // where there is an error, and memory to foretell it
  std::unique_ptr<ErrorMeasurement> measurement = nullptr;  // where the error is to be measured
  std::unique_ptr<AutoAttention> automatic = nullptr;       // where a bound of it is to be kept
  LiveMeasurement* live = nullptr;
  std::unique_ptr<LiveMeasurement::Sample> sample = nullptr;  // where it is measured once the call has been answered

  AttentionInputs Inputs() const {
    return {work.queries.View(work.axis_order),
            work.keys.View(work.axis_order),
            work.values.View(work.axis_order),
            work.query_lengths,
            work.key_lengths,
            result.projection};
  }
  void BeginPrediction(const AttentionInputs& inputs, int num_threads);
  absl::Status BeginMeasurement(int num_threads);
  absl::Status BeginAutomatic(const CostModel& costs, int num_threads);
  void AddTiming(Timing timing) {
    result.timing.queue_time += timing.queue_time;
    result.timing.compute_time += timing.compute_time;
    if (result.timing.started == absl::InfinitePast()) result.timing.started = timing.started;
  }
  void Finish() {
    prediction = nullptr;  // these refer to the inputs
    measurement = nullptr;
    automatic = nullptr;
    result.report.row_moments = nullptr;
    result.statistics = work.spec.features.statistics;
    if (sample != nullptr) live->Begin(std::move(sample), std::move(work));
    work = AttendWork();  // gives the inputs' memory back before the answer is sent
    done(std::move(result));
  }
  void Fail(absl::Status status) { done(std::move(status)); }
};

void AttendExecution::Run::BeginPrediction(const AttentionInputs& inputs, int num_threads) {
  if (!ErrorPrediction::IsPossible(work.spec)) return;
  const int64_t bytes = ErrorPrediction::Bytes(inputs, num_threads);
  if (!reservation->Grow(bytes, "the prediction of the error").ok()) return;
  prediction = std::make_unique<ErrorPrediction>(work.spec, inputs, &result.report, cancellation);
}

absl::Status AttendExecution::Run::BeginMeasurement(int num_threads) {
  const AttentionInputs inputs = Inputs();
  const int64_t bytes = ErrorMeasurement::Bytes(work.spec, inputs, work.measure_error_rows, num_threads);
  if (absl::Status status = reservation->Grow(bytes, "the measurement of the error"); !status.ok()) return status;
  auto created = ErrorMeasurement::Create(work.spec, inputs, result.output.MutableView(work.axis_order),
                                          work.measure_error_rows, /*seed=*/0);
  if (!created.ok()) return created.status();
  measurement = *std::move(created);
  result.report.row_moments = measurement->row_moments();
  return absl::OkStatus();
}

absl::Status AttendExecution::Run::BeginAutomatic(const CostModel& costs, int num_threads) {
  const AttentionInputs inputs = Inputs();
  auto created = AutoAttention::Create(*work.automatic, inputs, result.output.MutableView(work.axis_order), costs,
                                       num_threads, cancellation);
  if (!created.ok()) return created.status();
  automatic = *std::move(created);
  return reservation->Grow(automatic->Bytes(), "the stages of mode auto");
}

void AttendExecution::Start(AttendWork work, Admission::Reservation* reservation, const Cancellation* cancellation,
                            Done done) const {
  auto run = std::make_shared<Run>(Run{std::move(work), reservation, cancellation, std::move(done), {}});
  FindProjection(run->work, draws_, reservation, cancellation, [this, run](auto projection, absl::Duration waited) {
    if (!projection.ok()) return run->Fail(projection.status());
    run->result.projection = *std::move(projection);
    run->result.timing.queue_time += waited;
    RunAttention(run);
  });
}

void AttendExecution::RunAttention(std::shared_ptr<Run> run) const {
  AttendWork& work = run->work;
  OwnedTensor& output = run->result.output;
  output.type = work.output_type;
  output.shape = work.OutputShape();
  run->result.axis_order = work.axis_order;

  const int64_t output_bytes = output.shape.num_elements() * SizeOf(output.type);
  if (absl::Status status = run->reservation->Grow(output_bytes, "the output"); !status.ok()) {
    return run->Fail(std::move(status));
  }
  auto buffer = AlignedBuffer<std::byte>::Allocate(output_bytes);
  if (!buffer.ok()) return run->Fail(buffer.status());
  output.data = *std::move(buffer);

  if (work.automatic.has_value()) return BeginAutomatic(run);
  if (work.measure_error_rows > 0) {
    if (absl::Status status = run->BeginMeasurement(compute_->num_threads()); !status.ok()) {
      return run->Fail(std::move(status));
    }
  }
  const AttentionInputs inputs = run->Inputs();
  if (work.measure_error_rows == 0) {
    run->live = live_.get();
    run->sample = live_->Take(work, inputs, output.MutableView(work.axis_order), *run->reservation);
    if (run->sample != nullptr) run->result.report.row_moments = run->sample->measurement->row_moments();
  }
  if (absl::Status status = run->reservation->Grow(PlannedHeadBytes(work), "the plan of its heads"); !status.ok()) {
    return run->Fail(std::move(status));
  }
  absl::StatusOr<Job> job =
      PlanAttention(work.spec, inputs, output.MutableView(work.axis_order), run->cancellation, &run->result.report);
  if (!job.ok()) return run->Fail(job.status());
  const int64_t scratch_bytes = AttentionScratchBytes(work.spec, inputs, compute_->num_threads());
  if (absl::Status status = run->reservation->Grow(scratch_bytes, "the scratch memory of the kernels"); !status.ok()) {
    return run->Fail(std::move(status));
  }
  const JobSize size = AttendSize(work, run->result.projection.get(), *job);
  if (absl::Status status = compute_->CheckDeadline(size, *run->cancellation); !status.ok()) {
    return run->Fail(std::move(status));
  }
  run->BeginPrediction(inputs, compute_->num_threads());
  if (run->prediction != nullptr) job->phases.push_back(run->prediction->Plan());
  if (run->measurement != nullptr) run->measurement->AddDraw(&*job);
  if (run->sample != nullptr) run->sample->measurement->AddDraw(&*job);
  const auto done = [this, run](absl::Status status, Timing timing) {
    run->AddTiming(timing);
    if (!status.ok()) return run->Fail(std::move(status));
    if (run->prediction != nullptr) run->result.predicted_error = run->prediction->estimate();
    run->measurement == nullptr ? run->Finish() : MeasureError(run);
  };
  compute_->Submit(*std::move(job), run->cancellation, done, size);
}

void AttendExecution::BeginAutomatic(std::shared_ptr<Run> run) const {
  if (absl::Status status = run->BeginAutomatic(costs_, compute_->num_threads()); !status.ok()) {
    return run->Fail(std::move(status));
  }
  ContinueAutomatic(run);
}

// One stage after the other, each as a job of its own.
void AttendExecution::ContinueAutomatic(std::shared_ptr<Run> run) const {
  absl::StatusOr<std::optional<Job>> job = run->automatic->NextJob();
  if (!job.ok()) return run->Fail(job.status());
  if (!job->has_value()) {
    run->result.automatic = run->automatic->outcome();
    run->result.predicted_error = run->result.automatic->predicted;
    run->result.measured_error = run->result.automatic->measured;
    run->result.report = run->automatic->report();
    return run->Finish();
  }
  std::optional<JobSize> size;
  if (run->automatic->is_exact_running()) {
    // The one stage whose speed is known from other calls, and the longest.
    size = AttendSize(run->work, nullptr, **job);
    if (absl::Status status = compute_->CheckDeadline(*size, *run->cancellation); !status.ok()) {
      return run->Fail(std::move(status));
    }
  }
  const auto done = [this, run](absl::Status status, Timing timing) {
    run->AddTiming(timing);
    status.ok() ? ContinueAutomatic(run) : run->Fail(std::move(status));
  };
  compute_->Submit(**std::move(job), run->cancellation, done, size);
}

void AttendExecution::MeasureError(std::shared_ptr<Run> run) const {
  absl::StatusOr<Job> job = run->measurement->PlanExactRows(run->cancellation);
  if (!job.ok()) return run->Fail(job.status());
  compute_->Submit(*std::move(job), run->cancellation, [run](absl::Status status, Timing timing) {
    run->AddTiming(timing);
    if (!status.ok()) return run->Fail(std::move(status));
    run->result.measured_error = run->measurement->estimate();
    run->Finish();
  });
}

}  // namespace favor
