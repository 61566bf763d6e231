#include "favor/format/replace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "favor/format/file_io.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

// Has what was written reach the disk, so that the name never comes before the contents.
absl::Status Sync(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const bool synced = fsync(file) == 0;
  const absl::Status status =
      synced ? absl::OkStatus() : absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  close(file);
  return status;
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, absl::string_view contents) {
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(contents.data()), contents.size());
  return ReplaceFile(path, [bytes](const std::string& temporary) { return WriteFile(temporary, {bytes}); });
}

absl::Status ReplaceFile(const std::string& path,
                         const std::function<absl::Status(const std::string& temporary)>& write) {
  std::error_code error;
  const fs::file_status existing = fs::status(path, error);
  if (fs::exists(existing) && !fs::is_regular_file(existing)) return write(path);
  const std::string target = fs::exists(existing) ? fs::canonical(path, error).string() : path;
  const std::string temporary = absl::StrCat(target, ".", getpid(), ".tmp");
  absl::Status status = write(temporary);
  if (status.ok() && fs::exists(existing)) fs::permissions(temporary, existing.permissions(), error);
  if (status.ok()) status = Sync(temporary);
  if (status.ok() && std::rename(temporary.c_str(), target.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace favor
