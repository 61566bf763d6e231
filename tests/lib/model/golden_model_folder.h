#ifndef FAVOR_TESTS_LIB_MODEL_GOLDEN_MODEL_FOLDER_H_
#define FAVOR_TESTS_LIB_MODEL_GOLDEN_MODEL_FOLDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/model/model.h"
#include "nlohmann/json.hpp"

namespace favor::testing {

// A tensor that owns its data.
struct OwnedTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string data;
};

// A tensor of numbers in another element type: F64, F32, F16, BF16 by value, others as zeros.
OwnedTensor Converted(const OwnedTensor& floats, const std::string& dtype);

// A model folder of a golden ("bert/relu", "performer/rotary"), whose parts a test spoils one by one. BERT gets a
// vocab.txt of a few words, a Performer the tokenizer of bytes. Removed at the end.
class GoldenModelFolder {
 public:
  explicit GoldenModelFolder(const std::string& golden);
  ~GoldenModelFolder();
  GoldenModelFolder(const GoldenModelFolder&) = delete;
  GoldenModelFolder& operator=(const GoldenModelFolder&) = delete;

  std::string path(const std::string& file = "") const { return folder_ + "/" + file; }
  // Makes the folders on the way too.
  void Write(const std::string& file, const std::string& text) const;
  std::string Read(const std::string& file) const;

  // Where the sizes are: config.json itself, or its kwargs.
  nlohmann::json& arguments() { return config.contains("kwargs") ? config["kwargs"] : config; }
  OwnedTensor& tensor(const std::string& name);
  // Writes config.json, of which `raw`, when given, takes the place of every "@" with its quotes.
  void WriteConfig(const std::string& raw = "") const;
  void WriteWeights() const;
  // Writes others to a file.
  void WriteTensors(const std::string& file, const std::vector<OwnedTensor>& others) const;
  // Writes them to so many shards and an index, one tensor to each in turn, in the place of model.safetensors.
  void WriteShards(int num_shards) const;
  static std::string ShardName(int shard, int num_shards);  // from 0

  absl::StatusOr<std::shared_ptr<const Model>> Load() const { return LoadModel(folder_); }
  // The message of the error, or "loaded".
  std::string Error() const;

  nlohmann::json config;
  std::vector<OwnedTensor> tensors;  // without those of the golden itself

 private:
  std::string folder_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_LIB_MODEL_GOLDEN_MODEL_FOLDER_H_
