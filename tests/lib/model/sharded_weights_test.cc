// Folders whose weights are in shards: those of the one file, or an error that names index, shard or tensor.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/model/weight_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/support/model_golden.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

namespace fs = std::filesystem;

using nlohmann::json;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kIndex[] = "model.safetensors.index.json";

std::vector<std::vector<float>> Vectors(const GoldenModelFolder& folder) {
  return Encode(*folder.Load().value()->encoder, {{1, 2, 0}}).value();
}

json ReadIndex(const GoldenModelFolder& folder) { return json::parse(folder.Read(kIndex)); }

class ShardedWeights : public ::testing::TestWithParam<const char*> {};

TEST_P(ShardedWeights, GiveTheVectorsOfTheOneFile) {
  GoldenModelFolder folder(GetParam());
  const auto whole = folder.Load().value();
  const auto vectors = Vectors(folder);
  for (const int num_shards : {1, 2, 5}) {
    folder.WriteShards(num_shards);
    ASSERT_EQ(folder.Error(), "loaded");
    EXPECT_EQ(Vectors(folder), vectors);
    EXPECT_EQ(folder.Load().value()->encoder->num_parameters(), whole->encoder->num_parameters());
  }
}

TEST_P(ShardedWeights, EveryTensorThatAnIndexNamesMustBeInItsShard) {
  GoldenModelFolder folder(GetParam());
  folder.WriteShards(2);
  const json index = ReadIndex(folder);
  for (const auto& [name, shard] : index["weight_map"].items()) {
    json other = index;
    other["weight_map"][name] = GoldenModelFolder::ShardName(shard == GoldenModelFolder::ShardName(0, 2) ? 1 : 0, 2);
    folder.Write(kIndex, other.dump());
    EXPECT_EQ(folder.Error(), absl::StrCat(kIndex, ": weight_map[\"", name, "\"] is ", other["weight_map"][name].dump(),
                                           ", which has no tensor of this name"));
  }
}

TEST_P(ShardedWeights, ErrorsNameTheShardOfATensorAndTheIndexForOneThatIsMissing) {
  GoldenModelFolder folder(GetParam());
  while (folder.tensors.back().name.rfind("pooler.", 0) == 0) folder.tensors.pop_back();  // is not read
  const std::vector<OwnedTensor> all = folder.tensors;
  const size_t last = all.size() - 1;
  folder.tensors[last].shape.push_back(1);
  folder.WriteShards(3);
  EXPECT_THAT(folder.Error(), HasSubstr(absl::StrCat(GoldenModelFolder::ShardName(static_cast<int>(last % 3), 3), ": ",
                                                     all[last].name, " has shape ")));
  folder.tensors.pop_back();
  folder.WriteShards(3);
  EXPECT_EQ(folder.Error(), absl::StrCat(kIndex, ": there is no tensor ", all[last].name, ", which the model needs"));
}

INSTANTIATE_TEST_SUITE_P(Models, ShardedWeights,
                         ::testing::Values("bert/relu", "bert/roberta", "performer/absolute", "performer/reversible"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(name.find('/') + 1);
                         });

TEST(ShardedWeightsFolder, TheOneFileCountsWhereBothAreThere) {
  GoldenModelFolder folder("bert/relu");
  folder.Write(kIndex, "{");
  EXPECT_EQ(folder.Error(), "loaded");
}

TEST(ShardedWeightsFolder, HasTheIdOfTheOneFileAsSafetensorsWritesIt) {
  GoldenModelFolder folder("bert/relu");
  std::sort(folder.tensors.begin(), folder.tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  folder.tensors[3] = Converted(folder.tensors[3], "F64");
  folder.tensors[7] = Converted(folder.tensors[7], "F16");
  folder.WriteWeights();
  const std::string id = folder.Load().value()->id;
  folder.WriteShards(3);
  EXPECT_EQ(folder.Load().value()->id, id);
  folder.tensors[9].data[0] ^= 1;
  folder.WriteShards(3);
  EXPECT_NE(folder.Load().value()->id, id);
}

// All tensors of the shards count, whatever the index says of them.
TEST(ShardedWeightsFolder, ATensorThatTheIndexDoesNotNameIsReadToo) {
  GoldenModelFolder folder("bert/relu");
  const auto vectors = Vectors(folder);
  folder.WriteShards(2);
  json index = ReadIndex(folder);
  index.erase("metadata");
  index["weight_map"].erase("embeddings.LayerNorm.bias");
  folder.Write(kIndex, index.dump());
  ASSERT_EQ(folder.Error(), "loaded");
  EXPECT_EQ(Vectors(folder), vectors);
}

TEST(ShardedWeightsFolder, OfATensorInTwoShardsTheLaterShardCounts) {
  GoldenModelFolder folder("bert/relu");
  OwnedTensor& bias = folder.tensor("embeddings.LayerNorm.bias");
  const std::string data = bias.data;
  bias.data.assign(data.size(), '\0');
  folder.WriteWeights();
  const auto zeros = Vectors(folder);
  fs::rename(folder.path("model.safetensors"), folder.path("z.safetensors"));
  bias.data = data;
  folder.WriteShards(2);
  json index = ReadIndex(folder);
  index["weight_map"]["embeddings.word_embeddings.weight"] = "z.safetensors";
  folder.Write(kIndex, index.dump());
  ASSERT_EQ(folder.Error(), "loaded");
  EXPECT_EQ(Vectors(folder), zeros);
}

TEST(ShardedWeightsFolder, EveryShardMustBeThere) {
  GoldenModelFolder folder("bert/relu");
  folder.WriteShards(3);
  const std::string shard = GoldenModelFolder::ShardName(1, 3);
  fs::remove(folder.path(shard));
  EXPECT_EQ(folder.Load().status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(folder.Error(), HasSubstr(shard + " is not there, which model.safetensors.index.json names"));
}

TEST(ShardedWeightsFolder, NeitherIndexNorShardMayBeAFolderAPipeOrALinkToNowhere) {
  const std::string shard = GoldenModelFolder::ShardName(1, 2);
  for (const std::string& file : {std::string(kIndex), shard}) {
    for (const std::string kind : {"folder", "pipe", "link to nowhere", "link to itself"}) {
      GoldenModelFolder folder("bert/relu");
      folder.WriteShards(2);
      fs::remove(folder.path(file));
      if (kind == "folder") fs::create_directory(folder.path(file));
      if (kind == "pipe") mkfifo(folder.path(file).c_str(), 0600);
      if (kind == "link to nowhere") fs::create_symlink("nowhere", folder.path(file));
      if (kind == "link to itself") fs::create_symlink(file, folder.path(file));
      EXPECT_THAT(folder.Error(), HasSubstr(file)) << kind;
    }
  }
}

TEST(ShardedWeightsFolder, ShardsMayBeLinksAsInAModelCache) {
  GoldenModelFolder folder("bert/relu");
  folder.WriteShards(2);
  fs::create_directories(folder.path("blobs"));
  for (const std::string& file : {std::string(kIndex), GoldenModelFolder::ShardName(1, 2)}) {
    fs::rename(folder.path(file), folder.path("blobs/" + file));
    fs::create_symlink("blobs/" + file, folder.path(file));
  }
  EXPECT_EQ(folder.Error(), "loaded");
}

TEST(ShardedWeightsFolder, AShardThatIsCutShortIsRefused) {
  GoldenModelFolder folder("performer/rotary");
  folder.WriteShards(2);
  const std::string shard = GoldenModelFolder::ShardName(1, 2), whole = folder.Read(shard);
  for (size_t length = 0; length < whole.size(); length += length < 64 ? 1 : 997) {
    folder.Write(shard, whole.substr(0, length));
    EXPECT_THAT(folder.Error(), HasSubstr(shard)) << length;
  }
}

TEST(ShardedWeightsFolder, FlippedBytesOfAnIndexNeverDoMoreThanFail) {
  GoldenModelFolder folder("bert/relu");
  folder.WriteShards(2);
  const std::string original = folder.Read(kIndex);
  Random random(20261127);
  for (int round = 0; round < 500; ++round) {
    std::string text = original;
    for (int64_t flips = random.Integer(1, 3); flips > 0; --flips) {
      const int64_t at = random.Integer(0, static_cast<int64_t>(text.size()) - 1);
      text[at] = static_cast<char>(text[at] ^ (1 << random.Integer(0, 7)));
    }
    folder.Write(kIndex, text);
    EXPECT_THAT(folder.Error(), AnyOf("loaded", HasSubstr(kIndex))) << text;
  }
}

TEST(WeightsFileBytes, AreThoseOfAllShards) {
  GoldenModelFolder folder("bert/relu");
  EXPECT_EQ(WeightsFileBytes(folder.path()), static_cast<int64_t>(fs::file_size(folder.path("model.safetensors"))));
  folder.WriteShards(2);
  int64_t bytes = 0;
  for (const int i : {0, 1}) {
    bytes += static_cast<int64_t>(fs::file_size(folder.path(GoldenModelFolder::ShardName(i, 2))));
  }
  EXPECT_EQ(WeightsFileBytes(folder.path()), bytes);
  folder.Write(kIndex, "[]");
  EXPECT_EQ(WeightsFileBytes(folder.path()), 0);
}

}  // namespace
}  // namespace favor::testing
