#include "server/convert/embed_response_conversion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "favor/base/version.h"
#include "favor/format/half_float.h"
#include "favor/kernels/cpu_target.h"
#include "google/protobuf/duration.pb.h"
#include "server/convert/feature_spec_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/projection_conversion.h"
#include "server/convert/status_details.h"

namespace favor {
namespace {

// Tags, lengths, numbers and shape of a result.
constexpr int64_t kMaxResultHeaderBytes = 128;
// What holds the largest error: its message twice, 1 KiB each at most, the path of the field, and type URLs.
constexpr int64_t kMaxErrorBytes = 2560;
constexpr int64_t kMaxReportBytes = 4096;

template <uint16_t (*kNarrow)(float)>
void Narrow(absl::Span<const float> values, char* data) {
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = kNarrow(values[i]);
    std::memcpy(data + 2 * i, &bits, 2);
  }
}

// The scale; the largest value becomes 127.
float Quantize(absl::Span<const float> vector, char* integers) {
  float largest = 0;
  for (const float value : vector) largest = std::max(largest, std::fabs(value));  // passes NaN over
  const float scale = largest / 127;
  const double factor = largest > 0 ? 127.0 / largest : 0;
  for (size_t i = 0; i < vector.size(); ++i) {
    const double scaled = vector[i] * factor;
    integers[i] = static_cast<char>(std::isfinite(scaled) ? std::lrint(std::clamp(scaled, -127.0, 127.0)) : 0);
  }
  return scale;
}

// As a number of the element type, if that is narrower in range than float32.
std::optional<float> Rounded(v1::EmbeddingType type, float value) {
  if (type == v1::EMBEDDING_TYPE_F16) return Float32FromFloat16(Float16FromFloat32(value));
  if (type == v1::EMBEDDING_TYPE_BF16) return Float32FromBFloat16(BFloat16FromFloat32(value));
  return std::nullopt;
}

// Numbers must not become infinite.
absl::Status CheckRange(v1::EmbeddingType type, absl::Span<const float> values) {
  if (!Rounded(type, 0)) return absl::OkStatus();
  const float largest = type == v1::EMBEDDING_TYPE_F16 ? Float32FromFloat16(0x7bff) : Float32FromBFloat16(0x7f7f);
  for (const float value : values) {
    if (std::fabs(value) <= largest || !std::isfinite(value) || std::isfinite(*Rounded(type, value))) continue;
    return FieldError("output_type", absl::StrCat("output_type is ", v1::EmbeddingType_Name(type),
                                                  ", the embedding has ", value, ", at most ", largest));
  }
  return absl::OkStatus();
}

void WriteResult(const EmbedSettings& settings, const absl::Status& error, const EmbedOutcome& outcome, int64_t i,
                 v1::EmbedResult* result) {
  if (!error.ok()) {  // of an outcome there may be nothing then
    *result->mutable_error() = ToRpcStatus(error);
    return;
  }
  const int64_t num_rows = outcome.rows[i + 1] - outcome.rows[i];
  const auto vectors =
      absl::MakeConstSpan(outcome.vectors.data() + outcome.rows[i] * outcome.dimensions, num_rows * outcome.dimensions);
  if (absl::Status status = CheckRange(settings.type, vectors); !status.ok()) {
    *result->mutable_error() = ToRpcStatus(status);
    return;
  }
  const EmbedInput& input = outcome.inputs[i];
  result->set_num_tokens(input.num_tokens);
  result->set_num_tokens_used(input.num_used_tokens());
  result->set_num_windows(static_cast<int64_t>(input.windows.size()));
  v1::Embedding* embedding = result->mutable_embedding();
  embedding->set_type(settings.type);
  if (settings.options.pooling == Pooling::kNone) embedding->add_shape(num_rows);
  embedding->add_shape(outcome.dimensions);
  const bool scaled = settings.type == v1::EMBEDDING_TYPE_I8;
  if (scaled) embedding->mutable_scale()->Resize(static_cast<int>(num_rows), 0);
  embedding->mutable_data()->resize(num_rows * outcome.dimensions * SizeOf(settings.type));
  WriteVectors(settings.type, vectors, outcome.dimensions, embedding->mutable_data()->data(),
               scaled ? embedding->mutable_scale()->mutable_data() : nullptr);
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* wire) {
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(duration);
  wire->set_seconds(nanoseconds / 1'000'000'000);
  wire->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
}

void WriteAttention(const AttentionSpec& spec, int64_t head_dim, v1::AttentionSpec* wire) {
  const Kernel kernel = spec.mode == AttentionMode::kExact ? Kernel::kSoftmax : spec.features.kernel;
  wire->set_causal(spec.causal);
  wire->set_scale(spec.scale.value_or(DefaultScale(kernel, head_dim)));
  wire->set_precision(spec.precision == Precision::kBFloat16 ? v1::PRECISION_BF16 : v1::PRECISION_F32);
  if (spec.mode == AttentionMode::kExact) {
    wire->mutable_exact();
  } else {
    WriteFeatureSpec(FeaturesThatRun(spec), wire->mutable_features());
  }
}

}  // namespace

int64_t SizeOf(v1::EmbeddingType type) {
  switch (type) {
    case v1::EMBEDDING_TYPE_F16:
    case v1::EMBEDDING_TYPE_BF16:
      return 2;
    case v1::EMBEDDING_TYPE_I8:
      return 1;
    default:
      return 4;
  }
}

void WriteVectors(v1::EmbeddingType type, absl::Span<const float> values, int64_t dimensions, char* data,
                  float* scale) {
  switch (type) {
    case v1::EMBEDDING_TYPE_F16:
      return Narrow<Float16FromFloat32>(values, data);
    case v1::EMBEDDING_TYPE_BF16:
      return Narrow<BFloat16FromFloat32>(values, data);
    case v1::EMBEDDING_TYPE_I8:
      for (size_t begin = 0; begin < values.size(); begin += dimensions) {
        *scale++ = Quantize(values.subspan(begin, dimensions), data + begin);
      }
      return;
    default:
      if (!values.empty()) std::memcpy(data, values.data(), values.size() * sizeof(float));
  }
}

int64_t MaxEmbedResultBytes(const EmbedSettings& settings, int64_t num_rows, const absl::Status& error) {
  if (!error.ok()) return kMaxResultHeaderBytes + kMaxErrorBytes;
  const int64_t scale_bytes = settings.type == v1::EMBEDDING_TYPE_I8 ? sizeof(float) : 0;
  const int64_t dimensions = EmbedDimensions(*settings.model.model, settings.options);
  const int64_t vector_bytes = num_rows * (dimensions * SizeOf(settings.type) + scale_bytes);
  return kMaxResultHeaderBytes + (Rounded(settings.type, 0) ? std::max(vector_bytes, kMaxErrorBytes) : vector_bytes);
}

int64_t MaxEmbedResponseBytes(const EmbedSettings& settings, const std::vector<EmbedInput>& inputs,
                              const std::vector<absl::Status>& errors) {
  int64_t bytes = kMaxReportBytes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    bytes += MaxEmbedResultBytes(settings, EmbedRows(inputs[i], settings.options.pooling), errors[i]);
  }
  return bytes;
}

std::string EmbedResultsPart(const EmbedAnswer& answer, int64_t begin, int64_t end) {
  v1::EmbedResponse part;
  for (int64_t i = begin; i < end; ++i) {
    WriteResult(answer.settings, answer.errors[i], answer.outcome, i, part.add_results());
  }
  return part.SerializeAsString();
}

std::string EmbedStreamResult(uint64_t id, const EmbedSettings& settings, const absl::Status& error,
                              const EmbedOutcome& outcome, int64_t i) {
  v1::EmbedStreamResponse response;
  response.set_id(id);
  WriteResult(settings, error, outcome, i, response.mutable_result());
  return response.SerializeAsString();
}

std::string EmbedReportPart(const EmbedAnswer& answer) {
  const EmbedSettings& settings = answer.settings;
  const EmbedOutcome& outcome = answer.outcome;
  v1::EmbedResponse part;
  v1::EmbedReport* report = part.mutable_report();
  report->set_model(settings.model.name);
  report->set_model_id(settings.model.model->id);
  const Encoder& encoder = *settings.model.model->encoder;
  WriteAttention(settings.attention.value_or(encoder.attention()), encoder.head_dim(), report->mutable_attention());
  if (settings.projection) {
    WriteDrawnProjection(*settings.projection, report->mutable_attention()->mutable_features());
  }
  report->set_num_tokens(outcome.num_tokens);
  SetDuration(outcome.timing.queue_time, report->mutable_queue_time());
  SetDuration(outcome.timing.compute_time, report->mutable_compute_time());
  report->set_server_version(kVersion);
  report->set_cpu_target(CpuTargetName());
  return part.SerializeAsString();
}

}  // namespace favor
