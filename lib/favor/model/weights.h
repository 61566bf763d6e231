#ifndef FAVOR_MODEL_WEIGHTS_H_
#define FAVOR_MODEL_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/format/safetensors.h"

namespace favor {

// The trained tensors of a model, of one file or of several, read by name while it is loaded. Errors name the file and
// the tensor. The first one goes to status(), so that a model reads all of its tensors and looks once; after an error
// buffers are empty. Thread-compatible.
class Weights {
 public:
  // `name` is for errors; empty: the last part of the path.
  static absl::StatusOr<Weights> Open(const std::string& path, const std::string& name = "");
  // The shards of an index (format/safetensors_index.h). All their tensors, as transformers has it: also those that the
  // index does not name; of a name that is there twice, the one in the later shard by name. InvalidArgumentError for a
  // tensor that is not in the shard which the index names, NotFoundError for a shard that is not there.
  static absl::StatusOr<Weights> OpenShards(const std::string& index_path);

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
  // What stands before this name in the file: nothing, or one of these. Records an error where another prefix does.
  std::string PrefixOf(absl::string_view name, absl::Span<const char* const> prefixes);

  // Records an error of the file (of shards: the index), unless there is one already.
  void Fail(absl::string_view what);
  const absl::Status& status() const { return status_; }

  // Numbers that Read() has read.
  int64_t num_read() const { return num_read_; }
  // XXH3-128 of all tensors' names, types, shapes and data, 32 hexadecimal digits. Of shards it is that of the one file
  // into which safetensors writes the same tensors.
  std::string Id() const;

 private:
  struct Entry {
    const StoredTensor* tensor;
    size_t file;  // of files_
  };
  struct File {
    SafetensorsFile contents;
    std::string name;
  };

  explicit Weights(std::string file_name) : file_name_(std::move(file_name)) {}

  void Add(SafetensorsFile file, std::string name);
  // Records an error of the file that holds this tensor.
  void FailAt(absl::string_view tensor, absl::string_view what);

  // As they follow one another in their file; those of shards as safetensors writes them to one: wide elements first,
  // then by name.
  std::vector<const StoredTensor*> InOrder() const;
  // Of this shape; null after an error.
  const StoredTensor* FindOfShape(absl::string_view name, absl::Span<const int64_t> shape);
  // Elements of a tensor, the first of them its element `first`; empty after an error.
  AlignedBuffer<float> ToFinite(const StoredTensor& elements, int64_t first);

  std::string file_name_;  // the index's, where there is one
  std::vector<File> files_;
  std::map<std::string, Entry, std::less<>> by_name_;
  absl::Status status_;
  int64_t num_read_ = 0;
};

}  // namespace favor

#endif  // FAVOR_MODEL_WEIGHTS_H_
