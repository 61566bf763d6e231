#include "client/errors.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"
#include "client/wire/bad_request.h"
#include "client/wire/field_reader.h"

namespace favor::client {
namespace {

// Field numbers of google.rpc.RetryInfo and google.protobuf.Duration.
constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr int kRetryDelayField = 1;
constexpr int kSecondsField = 1;
constexpr int kNanosField = 2;

FieldViolation ReadFieldViolation(absl::string_view bytes) {
  FieldViolation violation;
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == bad_request::kFieldField) violation.field = std::string(field->bytes);
    if (field->number == bad_request::kDescriptionField) violation.description = std::string(field->bytes);
  }
  return violation;
}

absl::Duration ReadDuration(absl::string_view bytes) {
  absl::Duration duration;
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == kSecondsField) duration += absl::Seconds(static_cast<int64_t>(field->varint));
    if (field->number == kNanosField) duration += absl::Nanoseconds(static_cast<int64_t>(field->varint));
  }
  return duration;
}

}  // namespace

std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const absl::optional<absl::Cord> payload = status.GetPayload(bad_request::kType);
  if (!payload) return violations;
  const std::string bytes(*payload);
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == bad_request::kFieldViolationsField) violations.push_back(ReadFieldViolation(field->bytes));
  }
  return violations;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryInfo);
  if (!payload) return std::nullopt;
  const std::string bytes(*payload);
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == kRetryDelayField) return ReadDuration(field->bytes);
  }
  return std::nullopt;
}

}  // namespace favor::client
