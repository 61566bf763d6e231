#ifndef FAVOR_SERVER_SECURITY_SMALL_FILE_H_
#define FAVOR_SERVER_SECURITY_SMALL_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor {

// The contents of a file of at most 4 MiB. NotFoundError or InvalidArgumentError naming `setting` and the path.
absl::StatusOr<std::string> ReadSmallFile(absl::string_view setting, const std::string& path);

}  // namespace favor

#endif  // FAVOR_SERVER_SECURITY_SMALL_FILE_H_
