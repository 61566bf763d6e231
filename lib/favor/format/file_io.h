#ifndef FAVOR_FORMAT_FILE_IO_H_
#define FAVOR_FORMAT_FILE_IO_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace favor {

// A regular file mapped into memory for reading: nothing is read before it is used. Movable; the bytes stay where they
// are. The file must not shrink while it is mapped, or reading past its new end raises SIGBUS. Thread-compatible.
class MappedFile {
 public:
  // NotFoundError, PermissionDeniedError, ... with the path and the system's reason; InvalidArgumentError for what is
  // no regular file.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  absl::Span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  absl::Span<const std::byte> bytes_;
};

// Whether this is not a file but what Git LFS keeps in place of one that it has not fetched; and what to say of it.
bool IsGitLfsPointer(absl::Span<const std::byte> bytes);
constexpr char kIsGitLfsPointer[] = "is a Git LFS pointer and not the file itself (git lfs pull fetches it)";

// Whether a folder has an entry of this name. A link counts even if its target is gone: to go on without the file that
// somebody meant to be there would be a silent mistake; opening it says what is wrong. Never throws.
bool EntryExists(const std::string& path);

// Writes the parts one after the other, replacing what `path` held. After an error the file may hold a beginning.
absl::Status WriteFile(const std::string& path, absl::Span<const absl::Span<const std::byte>> parts);

}  // namespace favor

#endif  // FAVOR_FORMAT_FILE_IO_H_
