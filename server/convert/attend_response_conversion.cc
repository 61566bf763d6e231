#include "server/convert/attend_response_conversion.h"

#include <utility>

#include "absl/time/time.h"
#include "favor/base/version.h"
#include "favor/kernels/cpu_target.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/convert/statistics_conversion.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr uint32_t LengthDelimitedTag(int field_number) { return static_cast<uint32_t>(field_number) << 3 | 2; }

void SetDuration(absl::Duration duration, google::protobuf::Duration* wire) {
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(duration);
  wire->set_seconds(nanoseconds / 1'000'000'000);
  wire->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
}

v1::ErrorEstimate ToWire(const ErrorEstimate& estimate) {
  v1::ErrorEstimate wire;
  wire.set_relative_error(estimate.relative_error);
  wire.set_lower(estimate.lower);
  wire.set_upper(estimate.upper);
  wire.set_mean_of_values_error(estimate.mean_of_values_error);
  wire.set_num_rows(estimate.num_rows);
  return wire;
}

void WriteOutcome(const AutoOutcome& outcome, v1::AttendReport* report) {
  report->set_error_bound_missed(outcome.missed);
  report->set_reason(outcome.reason);
}

v1::Tensor TensorHeader(const AttendResult& result) {
  v1::Tensor wire;
  const Shape& shape = result.output.shape;
  const bool heads_first = result.axis_order == AxisOrder::kBatchHeadsLengthDim;
  wire.set_data_type(ToWire(result.output.type));
  wire.add_shape(shape.batch_size);
  wire.add_shape(heads_first ? shape.num_heads : shape.length);
  wire.add_shape(heads_first ? shape.length : shape.num_heads);
  wire.add_shape(shape.dim);
  return wire;
}

// Appends the output up to, and without, its bytes: the last field of the message, and `data` its last field.
std::string WithTensorHeader(std::string header, int output_field, const AttendResult& result) {
  const std::string tensor = TensorHeader(result).SerializeAsString();
  const uint32_t data_bytes = static_cast<uint32_t>(result.output.data.size());
  const uint32_t data_tag = LengthDelimitedTag(v1::Tensor::kDataFieldNumber);
  const size_t tensor_bytes = tensor.size() + CodedOutputStream::VarintSize32(data_tag) +
                              CodedOutputStream::VarintSize32(data_bytes) + data_bytes;
  {
    google::protobuf::io::StringOutputStream stream(&header);
    CodedOutputStream out(&stream);
    out.WriteTag(LengthDelimitedTag(output_field));
    out.WriteVarint32(static_cast<uint32_t>(tensor_bytes));
    out.WriteString(tensor);
    out.WriteTag(data_tag);
    out.WriteVarint32(data_bytes);
  }
  return header;
}

}  // namespace

v1::AttendReport ToReport(const AttendResult& result, v1::AttentionSpec spec) {
  v1::AttendReport report;
  *report.mutable_spec() = std::move(spec);
  const bool bfloat16 = result.report.precision == Precision::kBFloat16;
  report.mutable_spec()->set_precision(bfloat16 ? v1::PRECISION_BF16 : v1::PRECISION_F32);
  const Statistics* measured = result.report.statistics.get();
  const Statistics* statistics = measured != nullptr ? measured : result.statistics.get();
  if (result.projection != nullptr) report.set_projection_id(FeaturesId(result.projection->id(), statistics));
  if (measured != nullptr) WriteStatistics(*measured, report.mutable_statistics());
  report.set_num_features(result.report.num_features);
  report.set_degenerate_rows(result.report.degenerate_rows);
  SetDuration(result.timing.queue_time, report.mutable_queue_time());
  SetDuration(result.timing.compute_time, report.mutable_compute_time());
  if (result.predicted_error) *report.mutable_predicted_error() = ToWire(*result.predicted_error);
  if (result.measured_error) *report.mutable_measured_error() = ToWire(*result.measured_error);
  if (result.automatic) WriteOutcome(*result.automatic, &report);
  report.set_server_version(kVersion);
  report.set_cpu_target(CpuTargetName());
  return report;
}

std::string ResponseHeader(const AttendResult& result, const v1::AttendReport& report) {
  v1::AttendResponse first_part;
  *first_part.mutable_report() = report;
  return WithTensorHeader(first_part.SerializeAsString(), v1::AttendResponse::kOutputFieldNumber, result);
}

std::string StreamOutputHeader(const AttendResult& result, const v1::AttendReport* report) {
  std::string first_part = report == nullptr ? "" : StreamReport(*report);
  return WithTensorHeader(std::move(first_part), v1::AttendStreamResponse::kOutputFieldNumber, result);
}

std::string StreamReport(const v1::AttendReport& report) {
  v1::AttendStreamResponse response;
  *response.mutable_report() = report;
  return response.SerializeAsString();
}

}  // namespace favor
