#include "favor/model/weight_files.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "favor/format/file_io.h"
#include "favor/format/safetensors_index.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

int64_t FileBytes(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

}  // namespace

absl::StatusOr<Weights> OpenWeights(const std::string& folder) {
  const std::string single = (fs::path(folder) / kSingleFile).string();
  const std::string index = (fs::path(folder) / kIndex).string();
  if (!EntryExists(single) && EntryExists(index)) return Weights::OpenShards(index);
  absl::StatusOr<Weights> weights = Weights::Open(single);
  if (weights.ok() || EntryExists(single)) return weights;
  for (const char* other : {"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"}) {
    if (!EntryExists((fs::path(folder) / other).string())) continue;
    return absl::NotFoundError(absl::StrCat(single, " is not there, and ", other, " is not read. With transformers,",
                                            " AutoModel.from_pretrained(FOLDER).save_pretrained(OTHER) writes one."));
  }
  return weights;
}

int64_t WeightsFileBytes(const std::string& folder) {
  const std::string index = (fs::path(folder) / kIndex).string();
  if (EntryExists((fs::path(folder) / kSingleFile).string()) || !EntryExists(index)) {
    return FileBytes(fs::path(folder) / kSingleFile);
  }
  const absl::StatusOr<SafetensorsIndex> shards = ReadSafetensorsIndex(index);
  if (!shards.ok()) return 0;
  int64_t bytes = 0;
  for (const std::string& shard : shards->Shards()) bytes += FileBytes(fs::path(folder) / shard);
  return bytes;
}

}  // namespace favor
