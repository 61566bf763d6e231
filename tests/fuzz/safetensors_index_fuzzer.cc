// Any bytes are an index of shards or an error; shards are plain names of files, none of which leads out of a folder.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/format/safetensors_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<favor::SafetensorsIndex> index = favor::ParseSafetensorsIndex(text, "input.index.json");
  if (!index.ok()) {
    if (index.status().message().empty() || index.status().message().size() > 1000) std::abort();
    return 0;
  }
  if (index->shard_of.empty() || index->Shards().size() > index->shard_of.size()) std::abort();
  for (const std::string& shard : index->Shards()) {
    if (shard.size() < sizeof(".safetensors") - 1 || shard.find('/') != std::string::npos) std::abort();
    if (shard.find('\0') != std::string::npos) std::abort();
  }
  return 0;
}
