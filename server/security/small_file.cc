#include "server/security/small_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace favor {

absl::StatusOr<std::string> ReadSmallFile(absl::string_view setting, const std::string& path) {
  constexpr size_t kMaxBytes = size_t{4} << 20;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file && !file.eof()) {
    return absl::NotFoundError(
        absl::StrCat(setting, ": cannot read ", path, errno == 0 ? "" : ": ", errno == 0 ? "" : std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() <= kMaxBytes) return text;
  return absl::InvalidArgumentError(
      absl::StrCat(setting, ": ", path, " has more than ", kMaxBytes, " bytes, the most that are read"));
}

}  // namespace favor
