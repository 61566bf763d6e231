#include "tests/lib/model/golden_model_folder.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "favor/format/half_float.h"
#include "favor/format/safetensors.h"
#include "gtest/gtest.h"

namespace favor::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nprotein\nbinds\n##s\n.\n";

template <typename T>
void Append(T value, std::string* data) {
  data->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// The 16 bits from which `widen` makes the nearest value below |value|: goldens need no better.
uint16_t NarrowBits(float value, float (*widen)(uint16_t)) {
  uint16_t low = 0, high = 0x7C00;
  while (high - low > 1) {
    const auto middle = static_cast<uint16_t>((low + high) / 2);
    (widen(middle) <= std::abs(value) ? low : high) = middle;
  }
  return static_cast<uint16_t>(low | (value < 0 ? 0x8000 : 0));
}

}  // namespace

OwnedTensor Converted(const OwnedTensor& floats, const std::string& dtype) {
  OwnedTensor out{floats.name, dtype, floats.shape, ""};
  for (size_t i = 0; i < floats.data.size(); i += sizeof(float)) {
    float value;
    std::memcpy(&value, floats.data.data() + i, sizeof(float));
    if (dtype == "F64") {
      Append(static_cast<double>(value), &out.data);
    } else if (dtype == "F32") {
      Append(value, &out.data);
    } else if (dtype == "F16") {
      Append(NarrowBits(value, Float32FromFloat16), &out.data);
    } else if (dtype == "BF16") {
      Append(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16), &out.data);
    } else {
      out.data.append(StoredElementSize(dtype), '\0');
    }
  }
  return out;
}

GoldenModelFolder::GoldenModelFolder(const std::string& golden) {
  static int count = 0;
  folder_ = absl::StrCat(::testing::TempDir(), "/golden_model_", getpid(), "_", count++);
  fs::create_directories(folder_);
  const auto file = SafetensorsFile::Open(absl::StrCat(FAVOR_TEST_DATA_DIR "/models/", golden, ".safetensors")).value();
  const auto& metadata = file.contents().metadata;
  for (const StoredTensor& tensor : file.contents().tensors) {
    if (absl::StartsWith(tensor.name, "golden.") || absl::StrContains(tensor.name, "proj_updater")) continue;
    const char* data = reinterpret_cast<const char*>(tensor.data.data());
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape, std::string(data, tensor.data.size())});
  }
  if (metadata.count("config") > 0) {
    config = nlohmann::json::parse(metadata.at("config"));
    Write("vocab.txt", kVocabulary);
  } else {
    config = {{"model_type", "performer-pytorch"},
              {"format_version", 1},
              {"class", metadata.at("class")},
              {"kwargs", nlohmann::json::parse(metadata.at("kwargs"))}};
    Write("favor_tokenizer.json", R"({"format_version": 1, "type": "characters", "vocabulary": ["A", "C", "G"]})");
  }
  WriteConfig();
  WriteWeights();
}

GoldenModelFolder::~GoldenModelFolder() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void GoldenModelFolder::Write(const std::string& file, const std::string& text) const {
  fs::create_directories(fs::path(path(file)).parent_path());
  std::ofstream(path(file), std::ios::binary) << text;
}

std::string GoldenModelFolder::Read(const std::string& file) const {
  std::ifstream stream(path(file), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

OwnedTensor& GoldenModelFolder::tensor(const std::string& name) {
  for (OwnedTensor& each : tensors) {
    if (each.name == name) return each;
  }
  throw std::out_of_range(name);
}

void GoldenModelFolder::WriteConfig(const std::string& raw) const {
  std::string text = config.dump();
  for (size_t at; !raw.empty() && (at = text.find("\"@\"")) != std::string::npos;) text.replace(at, 3, raw);
  Write("config.json", text);
}

void GoldenModelFolder::WriteTensors(const std::string& file, const std::vector<OwnedTensor>& others) const {
  std::vector<StoredTensor> stored;
  for (const OwnedTensor& each : others) {
    stored.push_back({each.name, each.dtype, each.shape,
                      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(each.data.data()), each.data.size())});
  }
  const absl::Status status = WriteSafetensors(path(file), stored);
  ASSERT_TRUE(status.ok()) << status;
}

void GoldenModelFolder::WriteWeights() const { WriteTensors("model.safetensors", tensors); }

std::string GoldenModelFolder::ShardName(int shard, int num_shards) {
  return absl::StrFormat("model-%05d-of-%05d.safetensors", shard + 1, num_shards);
}

void GoldenModelFolder::WriteShards(int num_shards) const {
  std::vector<std::vector<OwnedTensor>> shards(num_shards);
  nlohmann::json map;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int shard = static_cast<int>(i) % num_shards;
    shards[shard].push_back(tensors[i]);
    map[tensors[i].name] = ShardName(shard, num_shards);
  }
  for (int i = 0; i < num_shards; ++i) WriteTensors(ShardName(i, num_shards), shards[i]);
  Write("model.safetensors.index.json", nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  fs::remove(path("model.safetensors"));
}

std::string GoldenModelFolder::Error() const {
  const auto model = Load();
  return model.ok() ? "loaded" : std::string(model.status().message());
}

}  // namespace favor::testing
