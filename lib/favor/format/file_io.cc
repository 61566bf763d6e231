#include "favor/format/file_io.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace favor {

namespace {

absl::StatusOr<absl::Span<const std::byte>> Map(int file, const std::string& path) {
  struct stat status;
  if (fstat(file, &status) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot stat ", path));
  if (!S_ISREG(status.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  if (status.st_size == 0) return absl::Span<const std::byte>();  // mmap refuses it
  const size_t size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("cannot map ", path));
  return absl::MakeConstSpan(static_cast<const std::byte*>(data), size);
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe nobody writes to would wait for ever.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const absl::StatusOr<absl::Span<const std::byte>> bytes = Map(file, path);
  close(file);  // the mapping outlives it
  if (!bytes.ok()) return bytes.status();
  return MappedFile(*bytes);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

bool IsGitLfsPointer(absl::Span<const std::byte> bytes) {
  return absl::StartsWith({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "version https://git-lfs");
}

bool EntryExists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

absl::Status WriteFile(const std::string& path, absl::Span<const absl::Span<const std::byte>> parts) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path, " for writing"));
  for (absl::Span<const std::byte> part : parts) {
    while (!part.empty()) {
      const ssize_t written = write(file, part.data(), std::min(part.size(), size_t{1} << 30));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const absl::Status status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
        close(file);
        return status;
      }
      part.remove_prefix(written);
    }
  }
  // Some file systems report a full disk only here.
  if (close(file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace favor
