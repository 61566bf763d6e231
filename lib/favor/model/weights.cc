#include "favor/model/weights.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/base/hash128.h"

namespace favor {

Weights::Weights(SafetensorsFile file, std::string file_name)
    : file_(std::move(file)), file_name_(std::move(file_name)) {
  for (const StoredTensor& tensor : file_.contents().tensors) by_name_.emplace(tensor.name, &tensor);
}

absl::StatusOr<Weights> Weights::Open(const std::string& path) {
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  return Weights(*std::move(file), std::filesystem::path(path).filename().string());
}

const StoredTensor* Weights::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

bool Weights::HasPrefix(absl::string_view prefix) const {
  const auto first = by_name_.lower_bound(prefix);
  return first != by_name_.end() && absl::StartsWith(first->first, prefix);
}

const StoredTensor* Weights::FindEnding(absl::string_view suffix) const {
  for (const auto& [name, tensor] : by_name_) {
    if (absl::EndsWith(name, suffix)) return tensor;
  }
  return nullptr;
}

absl::Span<const int64_t> Weights::ShapeOf(absl::string_view name) const {
  const StoredTensor* tensor = Find(name);
  return tensor == nullptr ? absl::Span<const int64_t>() : absl::MakeConstSpan(tensor->shape);
}

void Weights::Fail(absl::string_view what) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(file_name_, ": ", what));
}

const StoredTensor* Weights::FindOfShape(absl::string_view name, absl::Span<const int64_t> shape) {
  if (!status_.ok()) return nullptr;
  const StoredTensor* tensor = Find(name);
  if (tensor == nullptr) {
    Fail(absl::StrCat("there is no tensor ", name, ", which the model needs"));
  } else if (absl::MakeConstSpan(tensor->shape) != shape) {
    Fail(absl::StrCat(name, " has shape ", ShapeString(tensor->shape), ", the configuration asks for ",
                      ShapeString(shape)));
  }
  return status_.ok() ? tensor : nullptr;
}

AlignedBuffer<float> Weights::ToFinite(const StoredTensor& elements, int64_t first) {
  absl::StatusOr<AlignedBuffer<float>> values = ToFloat32(elements);
  if (!values.ok()) {
    if (absl::IsResourceExhausted(values.status())) status_ = values.status();
    Fail(values.status().message());
    return {};
  }
  for (int64_t i = 0; i < values->size(); ++i) {
    if (std::isfinite((*values)[i])) continue;
    Fail(absl::StrCat(elements.name, " holds ", (*values)[i], " at position ", first + i, ", weights must be finite"));
    return {};
  }
  num_read_ += values->size();
  return *std::move(values);
}

AlignedBuffer<float> Weights::Read(absl::string_view name, absl::Span<const int64_t> shape) {
  const StoredTensor* tensor = FindOfShape(name, shape);
  return tensor == nullptr ? AlignedBuffer<float>() : ToFinite(*tensor, 0);
}

const StoredTensor* Weights::ReadStored(absl::string_view name, absl::Span<const int64_t> shape) {
  constexpr int64_t kPiece = 1 << 16;  // elements looked at at a time
  const StoredTensor* tensor = FindOfShape(name, shape);
  if (tensor == nullptr) return nullptr;
  const int64_t element = std::max<int64_t>(1, StoredElementSize(tensor->dtype));
  const int64_t size = static_cast<int64_t>(tensor->data.size()) / element;
  for (int64_t first = 0; first < size && status_.ok(); first += kPiece) {
    const int64_t count = std::min(kPiece, size - first);
    ToFinite({tensor->name, tensor->dtype, {count}, tensor->data.subspan(first * element, count * element)}, first);
  }
  return status_.ok() ? tensor : nullptr;
}

std::string Weights::Id() const {
  FieldHasher hasher;
  for (const StoredTensor& tensor : file_.contents().tensors) {
    hasher.AddUint64(tensor.name.size()).AddBytes(tensor.name).AddBytes(tensor.dtype);
    hasher.AddUint64(tensor.shape.size());
    for (const int64_t size : tensor.shape) hasher.AddUint64(size);
    hasher.AddBytes({reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()});
  }
  return hasher.HexDigest128();
}

}  // namespace favor
