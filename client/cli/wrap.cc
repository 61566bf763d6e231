#include "client/cli/wrap.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace favor::cli {
namespace {

constexpr size_t kWidth = 100;

}  // namespace

std::string Wrap(absl::string_view text, size_t indent) {
  std::string result;
  size_t column = indent;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (column > indent && column + 1 + word.size() > kWidth) {
      absl::StrAppend(&result, "\n", std::string(indent, ' '));
      column = indent;
    } else if (column > indent) {
      absl::StrAppend(&result, " ");
      ++column;
    }
    absl::StrAppend(&result, word);
    column += word.size();
  }
  return result;
}

}  // namespace favor::cli
