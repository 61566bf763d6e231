#include "server/services/calibrate_method.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/attention/calibration.h"
#include "server/convert/calibrate_request_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/statistics_conversion.h"
#include "server/rpc/response_bytes.h"
#include "server/services/wire_reception.h"

namespace favor {
namespace {

// A call under way. Its stages run one after the other, each on the thread that ended the one before.
struct CalibrateCall {
  CalibrateCall(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call,
                Admission::Reservation reservation)
      : dependencies(dependencies), call(std::move(call)), reservation(std::move(reservation)) {}

  const AttentionDependencies& dependencies;
  const std::shared_ptr<UnaryCall> call;
  Admission::Reservation reservation;
  CalibrateWork work;
  const std::shared_ptr<Statistics> statistics = std::make_shared<Statistics>();
};
using CallPointer = std::shared_ptr<CalibrateCall>;

void Reply(const CallPointer& calibrate) {
  v1::CalibrateResponse response;
  WriteStatistics(*calibrate->statistics, response.mutable_statistics());
  std::vector<std::string> parts;
  parts.push_back(response.SerializeAsString());
  calibrate->work = {};
  calibrate->call->Reply(ResponseBytes(std::move(parts), std::move(calibrate->reservation)));
}

void Measure(const CallPointer& calibrate) {
  const CalibrateWork& work = calibrate->work;
  AttentionInputs inputs;
  inputs.queries = work.queries.View(work.axis_order);
  inputs.keys = work.keys.View(work.axis_order);
  const int64_t answer_bytes = MaxStatisticsBytes(work.spec.features, {work.keys.shape.dim, work.keys.shape.num_heads});
  if (answer_bytes > calibrate->dependencies.max_message_bytes) {
    return calibrate->call->Fail(FieldError(
        "keys.shape",
        absl::StrCat("keys.num_heads is ", work.keys.shape.num_heads, ", whose statistics take up to ", answer_bytes,
                     " bytes, a message has at most ", calibrate->dependencies.max_message_bytes)));
  }
  absl::StatusOr<Job> job = PlanCalibration(work.spec, inputs, calibrate->call->cancellation(), calibrate->statistics);
  if (!job.ok()) return calibrate->call->Fail(AboutField(job.status(), "spec.features"));
  absl::Status admitted =
      calibrate->reservation.Grow(CalibrationBytes(calibrate->work.spec, inputs) + 2 * answer_bytes, "the statistics");
  if (!admitted.ok()) return calibrate->call->Fail(admitted);
  calibrate->dependencies.compute->Submit(*std::move(job), calibrate->call->cancellation(),
                                          [calibrate](const absl::Status& status, Timing timing) {
                                            if (!status.ok()) return calibrate->call->Fail(status);
                                            calibrate->call->set_timing(timing);
                                            Reply(calibrate);
                                          });
}

}  // namespace

void Calibrate(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call) {
  auto admitted = dependencies.admission->Admit(call->request_bytes(), "the request", call->priority());
  if (!admitted.ok()) return call->Fail(admitted.status());
  auto calibrate = std::make_shared<CalibrateCall>(dependencies, call, *std::move(admitted));
  ReceiveWire(call->TakeRequest(),
              {AttendWireReader::Root::kCalibrateRequest,
               [calibrate](AttendWireReader* reader) {
                 v1::CalibrateRequest message;
                 LiftedData data;
                 if (absl::Status status = reader->Finish(&message, &data); !status.ok()) return status;
                 absl::StatusOr<CalibrateWork> work = ToCalibrateWork(message, &data);
                 if (work.ok()) calibrate->work = *std::move(work);
                 return work.status();
               },
               [calibrate](const absl::Status& status) {
                 if (!status.ok()) return calibrate->call->Fail(status);
                 Measure(calibrate);
               }},
              dependencies.compute, &calibrate->reservation, call->cancellation());
}

}  // namespace favor
