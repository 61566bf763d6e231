#ifndef FAVOR_FORMAT_REPLACE_FILE_H_
#define FAVOR_FORMAT_REPLACE_FILE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor {

// Writes a file that appears, or replaces another, all at once: who reads meanwhile, or is killed, finds the old one or
// the new one. After an error the old one is as it was. A symbolic link stays, and so do the permissions of what it
// names; a pipe or a device is written to as it is. Errors name a file.
absl::Status ReplaceFile(const std::string& path, absl::string_view contents);

// The same of a file that `write` writes under the name it is given, which errors may name.
absl::Status ReplaceFile(const std::string& path,
                         const std::function<absl::Status(const std::string& temporary)>& write);

}  // namespace favor

#endif  // FAVOR_FORMAT_REPLACE_FILE_H_
