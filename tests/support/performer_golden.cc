#include "tests/support/performer_golden.h"

#include <algorithm>
#include <filesystem>

#include "favor/format/safetensors.h"
#include "favor/model/performer_encoder.h"
#include "favor/model/weights.h"

namespace favor::testing {
namespace {

const std::string kFolder = FAVOR_TEST_DATA_DIR "/models/performer/";

std::string WithInputsAsWords(ModelGolden* golden, const std::string& scratch_path) {
  const SafetensorsFile file = SafetensorsFile::Open(golden->path).value();
  std::vector<StoredTensor> tensors = file.contents().tensors;
  StoredTensor words = *file.Find("golden.inputs");
  const int64_t batch = words.shape[0], length = words.shape[1];
  words.name = "token_emb.weight";
  words.shape = {batch * length, words.shape[2]};
  tensors.push_back(words);
  for (int64_t b = 0; b < batch; ++b) {
    golden->ids.emplace_back();
    for (int64_t t = 0; t < length; ++t) golden->ids.back().push_back(static_cast<int32_t>(b * length + t));
  }
  const std::string path = scratch_path + std::filesystem::path(golden->path).filename().string();
  return WriteSafetensors(path, tensors).ok() ? path : "";
}

}  // namespace

std::vector<std::string> PerformerGoldens() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

PerformerGolden LoadPerformerGolden(const std::string& name, const std::string& scratch_path) {
  PerformerGolden loaded{ReadModelGolden(kFolder + name, "kwargs"), {}, nullptr};
  const bool is_performer = loaded.golden.model_class == "Performer";
  const std::string path = is_performer ? WithInputsAsWords(&loaded.golden, scratch_path) : loaded.golden.path;
  Weights weights = Weights::Open(path).value();
  loaded.config = ParsePerformerArguments(loaded.golden.config, is_performer ? "Performer" : "PerformerLM").value();
  loaded.encoder = LoadPerformerEncoder(loaded.config, &weights).value();
  return loaded;
}

}  // namespace favor::testing
