#include "favor/model/weights.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/base/hash128.h"
#include "favor/format/json.h"
#include "favor/format/safetensors_index.h"

namespace favor {

namespace fs = std::filesystem;

void Weights::Add(SafetensorsFile file, std::string name) {
  for (const StoredTensor& tensor : file.contents().tensors) by_name_[tensor.name] = {&tensor, files_.size()};
  files_.push_back({std::move(file), std::move(name)});  // the tensors stay where they are
}

absl::StatusOr<Weights> Weights::Open(const std::string& path, const std::string& name) {
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  Weights weights(name.empty() ? fs::path(path).filename().string() : name);
  weights.Add(*std::move(file), weights.file_name_);
  return weights;
}

absl::StatusOr<Weights> Weights::OpenShards(const std::string& index_path) {
  const absl::StatusOr<SafetensorsIndex> index = ReadSafetensorsIndex(index_path);
  if (!index.ok()) return index.status();
  Weights weights(fs::path(index_path).filename().string());
  std::map<std::string, std::string> missing = index->shard_of;
  for (const std::string& shard : index->Shards()) {
    const std::string path = (fs::path(index_path).parent_path() / shard).string();
    if (!EntryExists(path)) {
      return absl::NotFoundError(absl::StrCat(path, " is not there, which ", weights.file_name_, " names"));
    }
    absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    for (const StoredTensor& tensor : file->contents().tensors) {
      const auto found = missing.find(tensor.name);
      if (found != missing.end() && found->second == shard) missing.erase(found);
    }
    weights.Add(*std::move(file), shard);
  }
  if (missing.empty()) return weights;
  const auto& [tensor, shard] = *missing.begin();
  return absl::InvalidArgumentError(absl::StrCat(weights.file_name_, ": weight_map[", JsonValue{tensor}.Description(),
                                                 "] is \"", shard, "\", which has no tensor of this name"));
}

const StoredTensor* Weights::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.tensor;
}

bool Weights::HasPrefix(absl::string_view prefix) const {
  const auto first = by_name_.lower_bound(prefix);
  return first != by_name_.end() && absl::StartsWith(first->first, prefix);
}

std::string Weights::PrefixOf(absl::string_view name, absl::Span<const char* const> prefixes) {
  if (Has(name)) return "";
  for (const char* prefix : prefixes) {
    if (Has(absl::StrCat(prefix, name))) return prefix;
  }
  const std::string suffix = absl::StrCat(".", name);
  for (const auto& [other, entry] : by_name_) {
    if (!absl::EndsWith(other, suffix)) continue;
    Fail(absl::StrCat("there is no tensor ", name, ", which the model needs; the prefix of ", other, " is not known"));
    break;
  }
  return "";
}

absl::Span<const int64_t> Weights::ShapeOf(absl::string_view name) const {
  const StoredTensor* tensor = Find(name);
  return tensor == nullptr ? absl::Span<const int64_t>() : absl::MakeConstSpan(tensor->shape);
}

void Weights::Fail(absl::string_view what) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(file_name_, ": ", what));
}

void Weights::FailAt(absl::string_view tensor, absl::string_view what) {
  const auto found = by_name_.find(tensor);
  const std::string& file = found == by_name_.end() ? file_name_ : files_[found->second.file].name;
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
}

const StoredTensor* Weights::FindOfShape(absl::string_view name, absl::Span<const int64_t> shape) {
  if (!status_.ok()) return nullptr;
  const StoredTensor* tensor = Find(name);
  if (tensor == nullptr) {
    Fail(absl::StrCat("there is no tensor ", name, ", which the model needs"));
  } else if (absl::MakeConstSpan(tensor->shape) != shape) {
    FailAt(name, absl::StrCat(name, " has shape ", ShapeString(tensor->shape), ", the configuration asks for ",
                              ShapeString(shape)));
  }
  return status_.ok() ? tensor : nullptr;
}

AlignedBuffer<float> Weights::ToFinite(const StoredTensor& elements, int64_t first) {
  absl::StatusOr<AlignedBuffer<float>> values = ToFloat32(elements);
  if (!values.ok()) {
    if (absl::IsResourceExhausted(values.status())) status_ = values.status();
    FailAt(elements.name, values.status().message());
    return {};
  }
  for (int64_t i = 0; i < values->size(); ++i) {
    if (std::isfinite((*values)[i])) continue;
    FailAt(elements.name, absl::StrCat(elements.name, " holds ", (*values)[i], " at position ", first + i,
                                       ", weights must be finite"));
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

std::vector<const StoredTensor*> Weights::InOrder() const {
  std::vector<const StoredTensor*> tensors;
  if (files_.size() == 1) {
    for (const StoredTensor& tensor : files_.front().contents.contents().tensors) tensors.push_back(&tensor);
    return tensors;
  }
  for (const auto& [name, entry] : by_name_) tensors.push_back(entry.tensor);
  std::stable_sort(tensors.begin(), tensors.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return StoredElementSize(a->dtype) > StoredElementSize(b->dtype);
  });
  return tensors;
}

std::string Weights::Id() const {
  FieldHasher hasher;
  for (const StoredTensor* tensor : InOrder()) {
    hasher.AddUint64(tensor->name.size()).AddBytes(tensor->name).AddBytes(tensor->dtype);
    hasher.AddUint64(tensor->shape.size());
    for (const int64_t size : tensor->shape) hasher.AddUint64(size);
    hasher.AddBytes({reinterpret_cast<const char*>(tensor->data.data()), tensor->data.size()});
  }
  return hasher.HexDigest128();
}

}  // namespace favor
