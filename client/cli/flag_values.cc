#include "client/cli/flag_values.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace favor::cli {
namespace {

template <typename T>
absl::Status ParseInteger(absl::string_view text, absl::string_view what, T* value) {
  return absl::SimpleAtoi(text, value) ? absl::OkStatus() : absl::InvalidArgumentError(what);
}

}  // namespace

absl::Status CheckWithin(absl::string_view flag, int64_t value, int64_t least, int64_t most) {
  if (value < least) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, " is ", value, ", the least is ", least));
  }
  if (value > most) return absl::InvalidArgumentError(absl::StrCat("--", flag, " is ", value, ", the most is ", most));
  return absl::OkStatus();
}

absl::Status ParseValue(absl::string_view text, std::string* value) {
  *value = std::string(text);
  return absl::OkStatus();
}

absl::Status ParseValue(absl::string_view text, bool* value) {
  return absl::SimpleAtob(text, value) ? absl::OkStatus() : absl::InvalidArgumentError("true or false");
}

absl::Status ParseValue(absl::string_view text, int* value) {
  return ParseInteger(text, "an integer of 32 bits", value);
}

absl::Status ParseValue(absl::string_view text, uint32_t* value) {
  return ParseInteger(text, "an integer from 0 to 2^32 - 1", value);
}

absl::Status ParseValue(absl::string_view text, int64_t* value) {
  return ParseInteger(text, "an integer of 64 bits", value);
}

absl::Status ParseValue(absl::string_view text, uint64_t* value) {
  return ParseInteger(text, "an integer from 0 to 2^64 - 1", value);
}

absl::Status ParseValue(absl::string_view text, double* value) {
  return absl::SimpleAtod(text, value) ? absl::OkStatus() : absl::InvalidArgumentError("a number");
}

absl::Status ParseValue(absl::string_view text, absl::Duration* value) {
  if (absl::ParseDuration(text, value) && *value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError("a positive time such as 30s, 1m30s, 250ms or inf");
}

absl::Status ParseValue(absl::string_view text, std::vector<int64_t>* value) {
  value->clear();
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    if (absl::Status status = ParseValue(item, &value->emplace_back()); !status.ok()) {
      return absl::InvalidArgumentError("integers with commas between them, such as 12,7,30");
    }
  }
  return absl::OkStatus();
}

}  // namespace favor::cli
