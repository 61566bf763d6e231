#include "favor/format/safetensors.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace favor {
namespace {

using Json = nlohmann::json;

constexpr char kMetadata[] = "__metadata__";
constexpr size_t kLengthSize = 8;

absl::Status Invalid(absl::string_view tensor, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor, "\": ", what));
}

// Cuts `bytes` into header and data.
absl::Status Split(absl::Span<const std::byte> bytes, absl::string_view* header, absl::Span<const std::byte>* data) {
  if (bytes.size() < kLengthSize) return absl::InvalidArgumentError("is shorter than the 8 bytes of a header's length");
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthSize; ++i) length |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  const uint64_t most = std::min<uint64_t>(bytes.size() - kLengthSize, kMaxSafetensorsHeader);
  if (IsGitLfsPointer(bytes)) return absl::InvalidArgumentError(kIsGitLfsPointer);
  if (length > most) {
    return absl::InvalidArgumentError(absl::StrCat("header has ", length, " bytes, at most ", most, " can be"));
  }
  *header = {reinterpret_cast<const char*>(bytes.data()) + kLengthSize, static_cast<size_t>(length)};
  *data = bytes.subspan(kLengthSize + length);
  return absl::OkStatus();
}

// The header as an object without duplicate names (of two, the JSON library would silently keep the last) and no deeper
// than the format goes (a nest of brackets takes 50 times its own size in memory).
absl::StatusOr<Json> ParseHeader(absl::string_view text) {
  constexpr int kMaxDepth = 3;
  std::vector<std::set<std::string>> open_objects;  // names seen in each, outermost first
  absl::Status status;
  const Json::parser_callback_t check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) status = absl::InvalidArgumentError("header is nested too deeply");
    if (!status.ok()) return false;
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key && !open_objects.back().insert(value.get<std::string>()).second) {
      status = absl::InvalidArgumentError(absl::StrCat("header has the name ", value.dump(), " twice"));
    }
    return status.ok();
  };
  Json header = Json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
  if (!status.ok()) return status;
  if (header.is_discarded()) return absl::InvalidArgumentError("header is not valid JSON");
  if (!header.is_object()) return absl::InvalidArgumentError("header is not a JSON object");
  return header;
}

// A list of integers from 0 to 2^63 - 1.
absl::StatusOr<std::vector<int64_t>> ReadSizes(const Json& entry, absl::string_view field) {
  const auto found = entry.find(std::string(field));
  if (found == entry.end() || !found->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(field, " is not a list"));
  }
  std::vector<int64_t> sizes;
  for (const Json& value : *found) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, "[", sizes.size(), "] is not an integer from 0 to 2^63 - 1"));
    }
    sizes.push_back(value.get<int64_t>());
  }
  return sizes;
}

absl::StatusOr<StoredTensor> ReadTensor(const std::string& name, const Json& entry, absl::Span<const std::byte> data) {
  if (!entry.is_object()) return Invalid(name, "its entry is not a JSON object");
  StoredTensor tensor;
  tensor.name = name;
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string()) return Invalid(name, "dtype is not a string");
  tensor.dtype = dtype->get<std::string>();
  absl::StatusOr<std::vector<int64_t>> shape = ReadSizes(entry, "shape");
  if (!shape.ok()) return Invalid(name, shape.status().message());
  tensor.shape = *std::move(shape);
  const absl::StatusOr<std::vector<int64_t>> offsets = ReadSizes(entry, "data_offsets");
  if (!offsets.ok()) return Invalid(name, offsets.status().message());
  if (offsets->size() != 2) return Invalid(name, absl::StrCat("data_offsets has ", offsets->size(), " entries, not 2"));

  const int64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end || end > static_cast<int64_t>(data.size())) {
    return Invalid(name, absl::StrCat("data_offsets are [", begin, ", ", end, "], within ", data.size(), " bytes"));
  }
  const absl::StatusOr<int64_t> num_bytes = StoredByteSize(tensor.dtype, tensor.shape);
  if (!num_bytes.ok()) return Invalid(name, num_bytes.status().message());
  if (*num_bytes != end - begin) {
    return Invalid(name, absl::StrCat("data_offsets span ", end - begin, " bytes, shape ", ShapeString(tensor.shape),
                                      " of ", tensor.dtype, " needs ", *num_bytes));
  }
  tensor.data = data.subspan(begin, end - begin);
  return tensor;
}

absl::Status ReadMetadata(const Json& entry, std::map<std::string, std::string>* metadata) {
  if (!entry.is_object()) return absl::InvalidArgumentError("__metadata__ is not a JSON object");
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) return absl::InvalidArgumentError(absl::StrCat("__metadata__[\"", key, "\"] is not text"));
    metadata->emplace(key, value.get<std::string>());
  }
  return absl::OkStatus();
}

// Sorts by place and checks that each tensor starts where the one before ends.
absl::Status CheckCover(absl::Span<const std::byte> data, std::vector<StoredTensor>* tensors) {
  std::stable_sort(tensors->begin(), tensors->end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::make_pair(a.data.data(), a.data.size()) < std::make_pair(b.data.data(), b.data.size());
  });
  int64_t covered = 0;
  for (const StoredTensor& tensor : *tensors) {
    const int64_t begin = tensor.data.data() - data.data();
    if (begin != covered) {
      return Invalid(tensor.name, absl::StrCat("data_offsets start at ", begin,
                                               begin < covered ? ", overlapping" : ", leaving a hole",
                                               ": the tensor before ends at ", covered));
    }
    covered += tensor.data.size();
  }
  if (covered != static_cast<int64_t>(data.size())) {
    return absl::InvalidArgumentError(absl::StrCat("has ", data.size(), " bytes of data, tensors cover ", covered));
  }
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsContents> Parse(absl::Span<const std::byte> bytes) {
  absl::string_view text;
  absl::Span<const std::byte> data;
  if (absl::Status status = Split(bytes, &text, &data); !status.ok()) return status;
  const absl::StatusOr<Json> header = ParseHeader(text);
  if (!header.ok()) return header.status();
  SafetensorsContents contents;
  for (const auto& [name, entry] : header->items()) {
    if (name == kMetadata) {
      if (absl::Status status = ReadMetadata(entry, &contents.metadata); !status.ok()) return status;
      continue;
    }
    absl::StatusOr<StoredTensor> tensor = ReadTensor(name, entry, data);
    if (!tensor.ok()) return tensor.status();
    contents.tensors.push_back(*std::move(tensor));
  }
  if (absl::Status status = CheckCover(data, &contents.tensors); !status.ok()) return status;
  return contents;
}

}  // namespace

const StoredTensor* SafetensorsContents::Find(absl::string_view name) const {
  for (const StoredTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

absl::StatusOr<SafetensorsContents> ParseSafetensors(absl::Span<const std::byte> bytes, absl::string_view file_name) {
  absl::StatusOr<SafetensorsContents> contents = Parse(bytes);
  if (contents.ok()) return contents;
  return absl::InvalidArgumentError(absl::StrCat(file_name, ": ", contents.status().message()));
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<SafetensorsContents> contents = ParseSafetensors(file->bytes(), path);
  if (!contents.ok()) return contents.status();
  return SafetensorsFile(*std::move(file), *std::move(contents));
}

}  // namespace favor
