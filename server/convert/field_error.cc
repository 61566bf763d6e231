#include "server/convert/field_error.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "favor/base/version.h"

namespace favor {
namespace {

constexpr char kFieldUrl[] = "favor/field";

absl::Status WithField(absl::Status status, absl::string_view field) {
  status.SetPayload(kFieldUrl, absl::Cord(field));
  return status;
}

}  // namespace

absl::Status FieldError(absl::string_view field, absl::string_view message) {
  return WithField(absl::InvalidArgumentError(message), field);
}

absl::Status UnservedFieldError(absl::string_view field, absl::string_view value) {
  return WithField(
      absl::UnimplementedError(absl::StrCat(field, " is ", value, ", which favord ", kVersion, " does not serve")),
      field);
}

absl::Status AboutField(absl::Status status, absl::string_view field) {
  if (!absl::IsInvalidArgument(status) || status.GetPayload(kFieldUrl)) return status;
  return WithField(std::move(status), field);
}

absl::Status InsideField(const absl::Status& status, absl::string_view outer) {
  const std::string field = FieldOf(status);
  if (field.empty()) return status;
  const bool names_field = absl::StartsWith(status.message(), field);
  return WithField(absl::Status(status.code(), absl::StrCat(outer, names_field ? "." : ": ", status.message())),
                   absl::StrCat(outer, ".", field));
}

std::string FieldOf(const absl::Status& status) {
  if (const absl::optional<absl::Cord> field = status.GetPayload(kFieldUrl)) return std::string(*field);
  if (!absl::IsInvalidArgument(status)) return "";
  for (const absl::string_view tensor : {"queries", "keys", "values"}) {
    if (absl::StartsWith(status.message(), tensor)) return std::string(tensor);
  }
  return "";
}

}  // namespace favor
