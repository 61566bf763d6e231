#include <algorithm>

#include "absl/strings/str_cat.h"
#include "favor/format/safetensors.h"
#include "nlohmann/json.hpp"

namespace favor {
namespace {

using Json = nlohmann::ordered_json;

// Describes the tensors, in this order, as a header's JSON.
absl::StatusOr<std::string> EncodeHeader(absl::Span<const StoredTensor* const> tensors,
                                         const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const StoredTensor* tensor : tensors) {
    const absl::StatusOr<int64_t> num_bytes = StoredByteSize(tensor->dtype, tensor->shape);
    if (!num_bytes.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor->name, "\": ", num_bytes.status().message()));
    }
    if (*num_bytes != static_cast<int64_t>(tensor->data.size())) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor->name, "\": ", tensor->data.size(),
                                                     " bytes of data, shape ", ShapeString(tensor->shape), " of ",
                                                     tensor->dtype, " needs ", *num_bytes));
    }
    if (tensor->name == "__metadata__" || header.contains(tensor->name)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor->name, "\": the name is taken"));
    }
    header[tensor->name] = {
        {"dtype", tensor->dtype}, {"shape", tensor->shape}, {"data_offsets", {offset, offset + *num_bytes}}};
    offset += *num_bytes;
  }
  try {
    return header.dump();
  } catch (const Json::exception&) {
    return absl::InvalidArgumentError("a tensor's name or the metadata is not UTF-8");
  }
}

absl::Span<const std::byte> AsBytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace

absl::Status WriteSafetensors(const std::string& path, absl::Span<const StoredTensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return StoredElementSize(a->dtype) > StoredElementSize(b->dtype);
  });
  absl::StatusOr<std::string> header = EncodeHeader(order, metadata);
  if (!header.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", header.status().message()));
  header->append((8 - header->size() % 8) % 8, ' ');  // the data start at a multiple of 8

  std::string length;
  for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(uint64_t{header->size()} >> (8 * i)));
  std::vector<absl::Span<const std::byte>> parts = {AsBytes(length), AsBytes(*header)};
  for (const StoredTensor* tensor : order) parts.push_back(tensor->data);
  return WriteFile(path, parts);
}

}  // namespace favor
