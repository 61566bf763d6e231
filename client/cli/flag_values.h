#ifndef FAVOR_CLIENT_CLI_FLAG_VALUES_H_
#define FAVOR_CLIENT_CLI_FLAG_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cli/closest_name.h"
#include "client/cli/names.h"

namespace favor::cli {

// What a message can carry: a bound of sizes, and of what they multiply to.
inline constexpr int64_t kMaxMessageBytes = UINT32_MAX;

// Calls that may be in flight at a time where each takes a thread.
inline constexpr int kMaxCallThreads = 1024;

// InvalidArgumentError, naming flag, value and bound, for a number outside of them.
absl::Status CheckWithin(absl::string_view flag, int64_t value, int64_t least, int64_t most = INT64_MAX);

// ParseValue reads the text of a flag into a variable. InvalidArgumentError with what the text must be, to be read
// after
// "--flag is "text", it must be".
absl::Status ParseValue(absl::string_view text, std::string* value);
absl::Status ParseValue(absl::string_view text, bool* value);
absl::Status ParseValue(absl::string_view text, int* value);
absl::Status ParseValue(absl::string_view text, uint32_t* value);
absl::Status ParseValue(absl::string_view text, int64_t* value);
absl::Status ParseValue(absl::string_view text, uint64_t* value);
// Any number, also NaN and infinity: the bounds are the server's to judge.
absl::Status ParseValue(absl::string_view text, double* value);
// "30s", "1m30s", "250ms" or "inf".
absl::Status ParseValue(absl::string_view text, absl::Duration* value);
// "12,7,30".
absl::Status ParseValue(absl::string_view text, std::vector<int64_t>* value);

// "softmax, gaussian, ..."
template <typename E>
std::string Choices() {
  return absl::StrJoin(NamesOf<E>(), ", ", [](std::string* out, const Named<E>& it) { absl::StrAppend(out, it.name); });
}

// One of the enumeration's names, in any case, and with '-' for '_' if one likes.
template <typename E>
requires std::is_enum_v<E> absl::Status ParseValue(absl::string_view text, E* value) {
  std::vector<std::string> names;
  for (const Named<E>& it : NamesOf<E>()) {
    if (absl::AsciiStrToLower(absl::StrReplaceAll(text, {{"-", "_"}})) == absl::AsciiStrToLower(it.name)) {
      *value = it.value;
      return absl::OkStatus();
    }
    names.emplace_back(it.name);
  }
  return absl::InvalidArgumentError(absl::StrCat("one of ", Choices<E>(), DidYouMean(text, names)));
}

template <typename T>
absl::Status ParseValue(absl::string_view text, std::optional<T>* value) {
  return ParseValue(text, &value->emplace());
}

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_FLAG_VALUES_H_
