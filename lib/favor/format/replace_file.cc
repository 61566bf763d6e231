#include "favor/format/replace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "favor/format/file_io.h"

namespace favor {
namespace {

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
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(contents.data()), contents.size());
  absl::Status status = WriteFile(temporary, {bytes});
  if (status.ok()) status = Sync(temporary);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace favor
