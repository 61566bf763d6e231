#ifndef FAVOR_MODEL_WEIGHTS_H_
#define FAVOR_MODEL_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/format/safetensors.h"

namespace favor {

// The trained tensors of a model, read by name while it is loaded. Errors name the file and the tensor. The first one
// goes to status(), so that a model reads all of its tensors and looks once; after an error buffers are empty.
// Thread-compatible.
class Weights {
 public:
  static absl::StatusOr<Weights> Open(const std::string& path);

  bool Has(absl::string_view name) const { return Find(name) != nullptr; }
  // Whether there is a tensor whose name begins so.
  bool HasPrefix(absl::string_view prefix) const;
  // Sizes of a tensor; empty when there is none.
  absl::Span<const int64_t> ShapeOf(absl::string_view name) const;

  // A tensor of this shape as float32. An error: absent, another shape or type, a value that is NaN or infinite.
  AlignedBuffer<float> Read(absl::string_view name, absl::Span<const int64_t> shape);
  // The same, left as it stands in the file; null after an error.
  const StoredTensor* ReadStored(absl::string_view name, absl::Span<const int64_t> shape);
  // Null when absent.
  const StoredTensor* Find(absl::string_view name) const;
  // A tensor whose name ends so.
  const StoredTensor* FindEnding(absl::string_view suffix) const;

  // Records an error of the file, unless there is one already.
  void Fail(absl::string_view what);
  const absl::Status& status() const { return status_; }

  // Numbers that Read() has read.
  int64_t num_read() const { return num_read_; }
  // XXH3-128 of all tensors' names, types, shapes and data, 32 hexadecimal digits.
  std::string Id() const;

 private:
  Weights(SafetensorsFile file, std::string file_name);

  // Of this shape; null after an error.
  const StoredTensor* FindOfShape(absl::string_view name, absl::Span<const int64_t> shape);
  // Elements of a tensor, the first of them its element `first`; empty after an error.
  AlignedBuffer<float> ToFinite(const StoredTensor& elements, int64_t first);

  SafetensorsFile file_;
  std::string file_name_;
  std::map<std::string, const StoredTensor*, std::less<>> by_name_;
  absl::Status status_;
  int64_t num_read_ = 0;
};

}  // namespace favor

#endif  // FAVOR_MODEL_WEIGHTS_H_
