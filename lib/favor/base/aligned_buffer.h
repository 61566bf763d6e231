#ifndef FAVOR_BASE_ALIGNED_BUFFER_H_
#define FAVOR_BASE_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace favor {

// `bytes` bytes that start at a multiple of `alignment`, a power of two, for std::free(); null when there is no memory.
// What holds a huge page starts at one and asks for them: weights and activations that are read row by row then cost no
// walk of the page tables.
void* AllocateAligned(size_t alignment, size_t bytes);

// Owns `size` elements that start at a multiple of 64 bytes: a cache line, and the widest vector register.
// Movable; a moved-from buffer is empty. Thread-compatible.
template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  // Elements are uninitialised. InvalidArgumentError for a negative size, ResourceExhaustedError when there is no
  // memory; never throws.
  static absl::StatusOr<AlignedBuffer> Allocate(int64_t size) {
    if (size < 0) return absl::InvalidArgumentError(absl::StrCat("buffer size is ", size, ", must not be negative"));
    AlignedBuffer buffer;
    if (size == 0) return buffer;
    constexpr uint64_t kMaxSize = (std::numeric_limits<ptrdiff_t>::max() - kAlignment) / sizeof(T);
    const uint64_t count = static_cast<uint64_t>(size);
    if (count <= kMaxSize) buffer.data_.reset(static_cast<T*>(AllocateAligned(kAlignment, count * sizeof(T))));
    if (buffer.data_ == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("no memory for a buffer of ", size, " elements of ", sizeof(T), " bytes"));
    }
    buffer.size_ = size;
    return buffer;
  }

  // As Allocate(), every byte zero.
  static absl::StatusOr<AlignedBuffer> AllocateZeroed(int64_t size) {
    absl::StatusOr<AlignedBuffer> buffer = Allocate(size);
    if (buffer.ok() && size > 0) std::memset(buffer->data(), 0, size * sizeof(T));
    return buffer;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](int64_t i) { return data_.get()[i]; }
  const T& operator[](int64_t i) const { return data_.get()[i]; }
  absl::Span<T> span() { return absl::MakeSpan(data(), size_); }
  absl::Span<const T> span() const { return absl::MakeConstSpan(data(), size_); }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };

  std::unique_ptr<T[], Free> data_;
  int64_t size_ = 0;
};

}  // namespace favor

#endif  // FAVOR_BASE_ALIGNED_BUFFER_H_
