#ifndef FAVOR_CLIENT_CLI_WRAP_H_
#define FAVOR_CLIENT_CLI_WRAP_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace favor::cli {

// Breaks a text that starts at column `indent` at its spaces, for lines of at most 100 columns, and indents every line
// but the first. A longer word stands alone.
std::string Wrap(absl::string_view text, size_t indent);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_WRAP_H_
