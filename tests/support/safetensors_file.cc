#include "tests/support/safetensors_file.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace favor::testing {
namespace {

template <typename Element>
std::vector<double> ReadValues(const char* begin, size_t num_bytes) {
  std::vector<double> values(num_bytes / sizeof(Element));
  for (size_t i = 0; i < values.size(); ++i) {
    Element element;
    std::memcpy(&element, begin + i * sizeof(Element), sizeof(Element));
    values[i] = element;
  }
  return values;
}

}  // namespace

DoubleTensor SafetensorsFile::Rank4(const std::string& name) const {
  const Tensor& tensor = tensors.at(name);
  DoubleTensor result({tensor.shape.at(0), tensor.shape.at(1), tensor.shape.at(2), tensor.shape.at(3)});
  result.values = tensor.values;
  return result;
}

absl::StatusOr<SafetensorsFile> ReadSafetensors(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot open ", path));
  const std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  uint64_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) return absl::DataLossError(absl::StrCat(path, " has no header"));
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > bytes.size() - sizeof(header_size)) {
    return absl::DataLossError(absl::StrCat(path, " ends within its header"));
  }
  const auto header = nlohmann::json::parse(bytes.substr(sizeof(header_size), header_size), nullptr, false);
  if (!header.is_object()) return absl::DataLossError(absl::StrCat(path, " has a header that is not JSON"));

  SafetensorsFile file;
  const char* data = bytes.data() + sizeof(header_size) + header_size;
  const size_t data_size = bytes.size() - sizeof(header_size) - header_size;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    const auto offsets = entry.at("data_offsets").get<std::vector<size_t>>();
    if (offsets.at(1) > data_size || offsets.at(0) > offsets.at(1)) {
      return absl::DataLossError(absl::StrCat(path, ": ", name, " ends past the file"));
    }
    SafetensorsFile::Tensor& tensor = file.tensors[name];
    tensor.shape = entry.at("shape").get<std::vector<int64_t>>();
    tensor.values = entry.at("dtype") == "F64" ? ReadValues<double>(data + offsets.at(0), offsets.at(1) - offsets.at(0))
                                               : ReadValues<float>(data + offsets.at(0), offsets.at(1) - offsets.at(0));
  }
  return file;
}

}  // namespace favor::testing
