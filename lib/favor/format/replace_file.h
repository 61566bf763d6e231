#ifndef FAVOR_FORMAT_REPLACE_FILE_H_
#define FAVOR_FORMAT_REPLACE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor {

// Writes a file that appears, or replaces another, all at once: who reads meanwhile, or is killed, finds the old one or
// the new one. After an error the old one is as it was. Errors name a file.
absl::Status ReplaceFile(const std::string& path, absl::string_view contents);

}  // namespace favor

#endif  // FAVOR_FORMAT_REPLACE_FILE_H_
