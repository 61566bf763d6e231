// Files that claim what is not there, and files with flipped bytes.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/support/little_memory.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// Values that no size may have, as JSON text.
const char* const kNoSizes[] = {"0",
                                "-1",
                                "-9223372036854775808",
                                "1e18",
                                "1000000000000000000",
                                "9223372036854775807",
                                "18446744073709551615",
                                "1e308",
                                "1.5",
                                "true",
                                "\"6\"",
                                "[]",
                                "[6]",
                                "{}"};

struct Sizes {
  const char* golden;
  std::vector<const char*> required;
  std::vector<const char*> optional;
};

const Sizes kSizes[] = {
    {"bert/relu",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"type_vocab_size"}},
    {"bert/distilbert", {"vocab_size", "dim", "n_layers", "n_heads", "hidden_dim", "max_position_embeddings"}, {}},
    {"bert/electra",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"type_vocab_size", "embedding_size"}},
    {"bert/mpnet",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"relative_attention_num_buckets"}},
    {"bert/albert",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"embedding_size", "num_hidden_groups", "inner_group_num"}},
    {"rotary/modernbert",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"local_attention"}},
    {"rotary/nomic_bert",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"type_vocab_size", "head_dim"}},
    {"rotary/eurobert",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"num_key_value_heads", "head_dim"}},
    {"rotary/qwen3",
     {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
      "max_position_embeddings"},
     {"num_key_value_heads", "head_dim"}},
    {"rotary/nomic_bert_own",
     {"vocab_size", "n_embd", "n_layer", "n_head", "n_positions"},
     {"type_vocab_size", "n_inner"}},
    {"performer/rotary",
     {"num_tokens", "max_seq_len", "dim", "depth", "heads"},
     {"dim_head", "ff_mult", "nb_features", "local_window_size"}},
    {"performer/absolute", {"num_tokens", "max_seq_len", "dim", "depth", "heads"}, {"dim_head", "ff_mult"}},
};

TEST(HostileModel, EverySizeMustBeAPositiveNumberWithinBounds) {
  for (const Sizes& sizes : kSizes) {
    GoldenModelFolder folder(sizes.golden);
    const json config = folder.config;
    std::vector<const char*> all = sizes.required;
    all.insert(all.end(), sizes.optional.begin(), sizes.optional.end());
    for (const std::string key : all) {
      for (const char* value : kNoSizes) {
        folder.config = config;
        folder.arguments()[key] = "@";
        folder.WriteConfig(value);
        const LittleMemory limit;
        EXPECT_THAT(folder.Error(), AllOf(HasSubstr("config.json"), HasSubstr(key))) << value;
      }
      for (const char* value : {"NaN", "Infinity", "1e999", "-", "01", "0x10", "@"}) {
        folder.config = config;
        folder.arguments()[key] = "@";
        folder.WriteConfig(value);
        EXPECT_THAT(folder.Error(), HasSubstr("config.json")) << key << " " << value;
      }
    }
    for (const std::string key : sizes.required) {
      folder.config = config;
      folder.arguments().erase(key);
      folder.WriteConfig();
      EXPECT_THAT(folder.Error(), AllOf(HasSubstr("config.json"), HasSubstr(key + " is missing")));
      folder.arguments()[key] = nullptr;
      folder.WriteConfig();
      EXPECT_THAT(folder.Error(), AllOf(HasSubstr("config.json"), HasSubstr(key + " is missing")));
    }
  }
}

TEST(HostileModel, SizesThatDisagreeWithTheTensorsAllocateNothing) {
  for (const Sizes& sizes : kSizes) {
    GoldenModelFolder folder(sizes.golden);
    const json config = folder.config;
    std::vector<const char*> all = sizes.required;
    if (absl::StartsWith(sizes.golden, "performer/")) all.insert(all.end(), {"dim_head", "ff_mult"});
    all.insert(all.end(), sizes.optional.begin(), sizes.optional.end());
    for (const std::string key : all) {
      // No tensor has it.
      if (key == "local_window_size" || key == "local_attention" || key == "n_positions") continue;
      if (key == "max_position_embeddings" && absl::StartsWith(sizes.golden, "rotary/")) continue;
      if (key == "num_hidden_layers" && absl::EndsWith(sizes.golden, "albert")) continue;
      for (const int64_t value : {2, 64, 512, 4096, 65536, 1 << 24}) {
        folder.config = config;
        if (folder.arguments().value(key, int64_t{0}) == value) continue;
        folder.arguments()[key] = value;
        folder.WriteConfig();
        const LittleMemory limit;
        const std::string error = folder.Error();
        // More or fewer heads of another size may have the same tensors.
        if (key == "heads" || key == "n_heads" || key == "n_head" || key == "num_attention_heads") continue;
        EXPECT_THAT(error, AnyOf(HasSubstr("model.safetensors"), AllOf(HasSubstr("config.json"), HasSubstr(key)),
                                 HasSubstr("must be a multiple of")))
            << key << " " << value;
      }
    }
  }
}

// All tensors before the queries' are there, of one token: what is left is only claimed.
TEST(HostileModel, TheLargestSizesOfAPerformerAllocateNothing) {
  constexpr int64_t kDim = 65536;
  GoldenModelFolder folder("performer/no_positions");
  folder.config = {{"model_type", "performer-pytorch"},
                   {"format_version", 1},
                   {"class", "PerformerLM"},
                   {"kwargs",
                    {{"num_tokens", 1},
                     {"max_seq_len", int64_t{1} << 32},
                     {"dim", kDim},
                     {"depth", 1000},
                     {"heads", kDim},
                     {"dim_head", 512},
                     {"ff_mult", 64},
                     {"rotary_position_emb", false},
                     {"axial_position_emb", true},
                     {"axial_position_shape", json::array()}}}};
  const std::string layer = "performer.net.layers.0.0.";
  folder.tensors = {{"token_emb.weight", "F32", {1, kDim}, std::string(kDim * 4, '\0')},
                    {layer + "norm.weight", "F32", {kDim}, std::string(kDim * 4, '\0')},
                    {layer + "norm.bias", "F32", {kDim}, std::string(kDim * 4, '\0')}};
  std::filesystem::remove(folder.path("favor_tokenizer.json"));
  folder.WriteConfig();
  folder.WriteWeights();
  const LittleMemory limit;
  EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(layer + "fn.to_q.weight")));
}

TEST(HostileModel, ListsOfAPerformerAreWithinBounds) {
  const std::pair<const char*, const char*> bad[] = {
      {"local_attn_heads", "[1, 2, 3]"},
      {"local_attn_heads", "[]"},
      {"local_attn_heads", "[-1, 0]"},
      {"local_attn_heads", "[0, 1e18]"},
      {"local_attn_heads", "[[0], 0]"},
      {"local_attn_heads", "[3]"},
      {"local_attn_heads", "3"},
      {"local_attn_heads", "{}"},
      {"axial_position_shape", "7"},
      {"axial_position_shape", "[0, 8]"},
      {"axial_position_shape", "[-5]"},
      {"axial_position_shape", "[1000000000000000000, 1000000000000000000]"},
      {"axial_position_shape", "[\"5\", 8]"},
      {"axial_position_shape", "[2, 2, 2, 2, 2, 2, 2, 2, 2]"},
      {"kernel_fn", "7"},
      {"kernel_fn", "\"tanh\""},
      {"causal", "1"},
      {"reversible", "\"yes\""},
      {"cross_attend", "true"},
      {"depht", "2"}};
  for (const auto& [key, value] : bad) {
    GoldenModelFolder folder("performer/axial");
    if (std::string(key) == "kernel_fn") folder.arguments()["generalized_attention"] = true;
    folder.arguments()[key] = "@";
    folder.WriteConfig(value);
    const LittleMemory limit;
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr("config.json"), HasSubstr(key))) << value;
  }
  // Within bounds, but not the tensors': 65536^8 positions.
  GoldenModelFolder folder("performer/axial");
  folder.arguments()["axial_position_shape"] = std::vector<int64_t>(8, 65536);
  folder.WriteConfig();
  const LittleMemory limit;
  EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr("pos_emb.weights")));
}

TEST(HostileModel, TheArchitectureMustBeKnown) {
  for (const char* value : {"\"gpt2\"", "\"\"", "7", "null", "[]", "\"BERT\""}) {
    GoldenModelFolder folder("bert/relu");
    folder.config["model_type"] = "@";
    folder.WriteConfig(value);
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr("config.json"), HasSubstr("model_type"))) << value;
  }
  for (const char* text : {"[]", "7", "null", "\"bert\"", "{}"}) {
    GoldenModelFolder folder("bert/relu");
    folder.Write("config.json", text);
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr("config.json"), HasSubstr("model_type"))) << text;
  }
}

TEST(HostileModel, ATruncatedFileOfWeightsIsRefusedAtAnyLength) {
  GoldenModelFolder folder("performer/rotary");
  const std::string whole = folder.Read("model.safetensors");
  for (size_t length = 0; length < whole.size(); length += length < 64 ? 1 : 997) {
    folder.Write("model.safetensors", whole.substr(0, length));
    EXPECT_THAT(folder.Error(), HasSubstr("model.safetensors")) << length;
  }
  folder.Write("model.safetensors", whole + '\0');
  EXPECT_THAT(folder.Error(), HasSubstr("model.safetensors"));
}

TEST(HostileModel, AHeaderThatLiesIsRefused) {
  GoldenModelFolder folder("bert/relu");
  const std::string entry = R"({"embeddings.word_embeddings.weight": {"dtype": "F32", "shape": )";
  for (const std::string& rest :
       {std::string(R"([4611686018427387904, 4611686018427387904], "data_offsets": [0, 0]}})"),
        std::string(R"([50, 24], "data_offsets": [0, 4611686018427387904]}})"),
        std::string(R"([50, 24], "data_offsets": [4800, 0]}})"), std::string(R"([-50, -24], "data_offsets": [0, 0]}})"),
        std::string(R"([5e1, 24], "data_offsets": [0, 0]}})"),
        std::string(R"([50, 24], "data_offsets": [0, 4800]}})")}) {
    const std::string header = entry + rest;
    std::string text(8, '\0');
    for (int i = 0; i < 8; ++i) text[i] = static_cast<char>(header.size() >> (8 * i));
    folder.Write("model.safetensors", text + header);
    const LittleMemory limit;
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr("word_embeddings"))) << rest;
  }
  for (const std::string& length : {std::string(8, '\xFF'), std::string("\0\0\0\0\0\0\0\x80", 8)}) {
    folder.Write("model.safetensors", length + "{}");
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr("header")));
  }
}

constexpr char kTokenizer[] = R"({"added_tokens": [{"id": 0, "content": "[UNK]", "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
  "lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": {"type": "TemplateProcessing",
  "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"[CLS]": {"ids": [1]}}},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
  "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "##b": 3}}})";

// Whatever a flip makes of a file, it loads, or the error names a file of the folder.
TEST(HostileModel, FlippedBytesNeverDoMoreThanFail) {
  constexpr int kRounds = 1000;
  const char* const files[] = {"config.json", "modules.json", "tokenizer.json", "model.safetensors"};
  for (const char* golden : {"bert/relu", "performer/local"}) {
    GoldenModelFolder folder(golden);
    folder.Write("modules.json", R"([{"idx": 0, "type": "s.models.Transformer", "path": ""},
      {"idx": 1, "type": "s.models.Pooling", "path": "1_Pooling"}, {"type": "s.models.Normalize"}])");
    folder.Write("1_Pooling/config.json", R"({"pooling_mode_mean_tokens": true})");
    folder.Write("tokenizer.json", kTokenizer);
    std::filesystem::remove(folder.path("favor_tokenizer.json"));
    ASSERT_EQ(folder.Error(), "loaded");
    Random random(20240601);
    int num_loaded = 0;
    for (int round = 0; round < kRounds; ++round) {
      const char* file = files[round % std::size(files)];
      const std::string original = folder.Read(file);
      std::string text = original;
      // Weights: the header alone, other bytes are numbers.
      const int64_t end = std::min<int64_t>(static_cast<int64_t>(text.size()), 4000);
      for (int64_t flips = random.Integer(1, 3); flips > 0; --flips) {
        const int64_t at = random.Integer(0, end - 1);
        const char* const alphabet = "0123456789-e.\"[]{},:\x80\xFF";
        text[at] = random.Integer(0, 1) == 0 ? static_cast<char>(text[at] ^ (1 << random.Integer(0, 7)))
                                             : alphabet[random.Integer(0, 21)];
      }
      folder.Write(file, text);
      const std::string error = folder.Error();
      num_loaded += error == "loaded" ? 1 : 0;
      EXPECT_THAT(error, AnyOf("loaded", HasSubstr("config.json"), HasSubstr(".json"), HasSubstr("model.safetensors")))
          << file << ", round " << round;
      folder.Write(file, original);
    }
    EXPECT_GT(num_loaded, 0) << "no flip is harmless: does anything load?";
    EXPECT_LT(num_loaded, kRounds * 3 / 4);
  }
}

}  // namespace
}  // namespace favor::testing
