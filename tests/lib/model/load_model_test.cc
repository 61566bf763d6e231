// Folders that are incomplete, or whose files contradict each other.
#include <sys/stat.h>

#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/model/embed_input.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/support/model_golden.h"

namespace favor::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

const char* const kGoldens[] = {
    "bert/relu",          "bert/distilbert",       "bert/electra",      "bert/mpnet",
    "rotary/modernbert",  "rotary/nomic_bert_own", "rotary/nomic_bert", "rotary/gte",
    "rotary/eurobert",    "rotary/qwen3",          "rotary/llama",      "performer/rotary",
    "performer/absolute", "performer/axial",       "performer/local",   "performer/reversible",
    "performer/rezero",   "performer/scalenorm",   "performer/biases",  "performer/ff_glu"};

bool IsRead(const std::string& tensor) {
  for (const char* head :
       {"pooler.", "to_out.", "lm_head.", "decoder.", "head.", "performer.pos_emb", "performer.proj_updater"}) {
    if (tensor.rfind(head, 0) == 0) return false;
  }
  return tensor.find("calls_since_last_redraw") == std::string::npos;
}

class LoadedGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(LoadedGolden, LoadsAsItIs) {
  GoldenModelFolder folder(GetParam());
  ASSERT_EQ(folder.Error(), "loaded");
  const auto model = folder.Load().value();
  EXPECT_NE(model->tokenizer, nullptr);
  const auto vectors = Encode(*model->encoder, {{1, 2, 0}});
  ASSERT_TRUE(vectors.ok()) << vectors.status();
  for (const float value : (*vectors)[0]) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(LoadedGolden, CountsEveryParameterOnce) {
  GoldenModelFolder folder(GetParam());
  int64_t num_parameters = 0;
  for (const OwnedTensor& tensor : folder.tensors) {
    if (IsRead(tensor.name)) num_parameters += static_cast<int64_t>(tensor.data.size() / sizeof(float));
  }
  EXPECT_EQ(folder.Load().value()->encoder->num_parameters(), num_parameters);
}

TEST_P(LoadedGolden, EveryTensorThatIsReadMustBeThere) {
  GoldenModelFolder folder(GetParam());
  const std::vector<OwnedTensor> all = folder.tensors;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsRead(all[i].name)) continue;
    folder.tensors = all;
    folder.tensors.erase(folder.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    folder.WriteWeights();
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(all[i].name)));
  }
}

TEST_P(LoadedGolden, EveryTensorThatIsReadMustHaveItsShape) {
  GoldenModelFolder folder(GetParam());
  const std::vector<OwnedTensor> all = folder.tensors;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsRead(all[i].name)) continue;
    std::vector<std::vector<int64_t>> shapes = {all[i].shape, all[i].shape, {}, all[i].shape};
    shapes[0].push_back(1);                         // one axis more
    if (!shapes[1].empty()) shapes[1].back() = 0;   // nothing
    if (!shapes[3].empty()) shapes[3].back() += 1;  // one more
    const bool any_rows = all[i].name.find("projection_matrix") != std::string::npos;
    if (!any_rows && !shapes[3].empty()) {
      shapes.push_back(all[i].shape);
      shapes.back().front() += 1;
    }
    for (const std::vector<int64_t>& shape : shapes) {
      if (shape == all[i].shape) continue;
      folder.tensors = all;
      folder.tensors[i].shape = shape;
      int64_t size = 1;
      for (const int64_t each : shape) size *= each;
      folder.tensors[i].data.assign(size * 4, '\0');
      folder.WriteWeights();
      EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(all[i].name)));
    }
  }
}

TEST_P(LoadedGolden, TensorsMayBeAnyFloatsAndNothingElse) {
  GoldenModelFolder folder(GetParam());
  const std::vector<OwnedTensor> all = folder.tensors;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsRead(all[i].name)) continue;
    for (const char* dtype : {"F64", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3"}) {
      folder.tensors = all;
      folder.tensors[i] = Converted(all[i], dtype);
      folder.WriteWeights();
      const std::string name = dtype;
      if (name == "F64" || name == "F16" || name == "BF16") {
        EXPECT_EQ(folder.Error(), "loaded") << all[i].name << " " << dtype;
      } else {
        EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(all[i].name), HasSubstr(dtype)));
      }
    }
  }
}

TEST_P(LoadedGolden, TensorsMustBeFinite) {
  GoldenModelFolder folder(GetParam());
  const std::vector<OwnedTensor> all = folder.tensors;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsRead(all[i].name)) continue;
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      folder.tensors = all;
      std::memcpy(folder.tensors[i].data.data() + all[i].data.size() - 4, &value, 4);
      folder.WriteWeights();
      EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(all[i].name)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(LoadModel, LoadedGolden, ::testing::ValuesIn(kGoldens), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

// Hugging Face drops what is left over with a warning; here nobody would see one, and a model of fewer layers than it
// was trained with answers plausible vectors that are wrong.
TEST_P(LoadedGolden, ALayerThatTheConfigurationDoesNotCountIsRefused) {
  GoldenModelFolder folder(GetParam());
  const char* key = "num_hidden_layers";
  for (const char* other : {"depth", "n_layers", "n_layer"}) {
    if (folder.arguments().contains(other)) key = other;
  }
  const int64_t num_layers = folder.arguments()[key];
  std::vector<OwnedTensor> more;
  for (const OwnedTensor& tensor : folder.tensors) {
    for (const char* list : {"layer.", "layers.", "blocks."}) {
      const std::string last = absl::StrCat(list, num_layers - 1, ".");
      const size_t at = tensor.name.find(last);
      if (at == std::string::npos) continue;
      more.push_back(tensor);
      more.back().name.replace(at, last.size(), absl::StrCat(list, num_layers, "."));
      break;
    }
  }
  ASSERT_FALSE(more.empty());
  folder.tensors.insert(folder.tensors.end(), more.begin(), more.end());
  folder.WriteWeights();
  EXPECT_THAT(folder.Error(), AllOf(HasSubstr("model.safetensors: there are tensors"),
                                    HasSubstr(absl::StrCat(key, " of config.json is ", num_layers))));
}

// It has fewer than layers.
TEST(LoadModel, GroupsOfAnAlbertThatTheConfigurationDoesNotCountAreRefused) {
  for (const char* key : {"num_hidden_groups", "inner_group_num"}) {
    GoldenModelFolder folder("bert/albert");
    folder.config[key] = 1;
    folder.WriteConfig();
    EXPECT_THAT(folder.Error(), HasSubstr(absl::StrCat(key, " of config.json is 1")));
  }
  GoldenModelFolder folder("bert/albert");
  folder.config["num_hidden_layers"] = 1;
  folder.WriteConfig();
  EXPECT_THAT(folder.Error(), HasSubstr("num_hidden_groups is 2, more than num_hidden_layers, 1"));
}

TEST(LoadModel, ADoubleBeyondFloat32IsRefused) {
  GoldenModelFolder folder("bert/relu");
  OwnedTensor& bias = folder.tensor("embeddings.LayerNorm.bias");
  bias = Converted(bias, "F64");
  const double value = 1e300;
  std::memcpy(bias.data.data(), &value, 8);
  folder.WriteWeights();
  EXPECT_THAT(folder.Error(), HasSubstr("embeddings.LayerNorm.bias holds inf at position 0"));
}

TEST(LoadModel, EveryRequiredFileMustBeThere) {
  for (const char* file : {"config.json", "model.safetensors"}) {
    GoldenModelFolder folder("bert/relu");
    fs::remove(folder.path(file));
    EXPECT_EQ(folder.Load().status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(folder.Error(), HasSubstr(file));
  }
  EXPECT_EQ(LoadModel("/no such folder").status().code(), absl::StatusCode::kNotFound);
}

TEST(LoadModel, WeightsInAnotherFormAreNamed) {
  for (const char* other : {"pytorch_model.bin.index.json", "pytorch_model.bin"}) {
    GoldenModelFolder folder("bert/relu");
    fs::rename(folder.path("model.safetensors"), folder.path(other));
    EXPECT_EQ(folder.Load().status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(folder.Error(), AllOf(HasSubstr(absl::StrCat(other, " is not read")), HasSubstr("save_pretrained")));
  }
  GoldenModelFolder pointer("bert/relu");
  pointer.Write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 90868376\n");
  EXPECT_THAT(pointer.Error(), HasSubstr("model.safetensors: is a Git LFS pointer"));
  pointer.Write("tokenizer.json", pointer.Read("model.safetensors"));
  EXPECT_THAT(pointer.Error(), HasSubstr("tokenizer.json is a Git LFS pointer"));
}

// Whoever mends a tokenizer's file is not told afterwards that the model cannot be served at all.
TEST(LoadModel, AnUnknownArchitectureIsToldFirst) {
  GoldenModelFolder folder("bert/relu");
  folder.config["model_type"] = "deberta-v2";
  folder.WriteConfig();
  folder.Write("tokenizer.json", "{}");
  folder.Write("modules.json", "{}");
  fs::remove(folder.path("model.safetensors"));
  EXPECT_THAT(folder.Error(), HasSubstr("config.json: model_type is \"deberta-v2\", must be bert"));
}

// As sentence-transformers wrote folders until 2021.
TEST(LoadModel, ModulesMayNameTheFolderOfTheTransformer) {
  GoldenModelFolder folder("bert/relu");
  fs::create_directories(folder.path("0_Transformer"));
  for (const char* file : {"config.json", "model.safetensors", "vocab.txt"}) {
    fs::rename(folder.path(file), folder.path("0_Transformer/") + file);
  }
  folder.Write("0_Transformer/sentence_bert_config.json", R"({"max_seq_length": 7})");
  const std::string modules = R"([{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}])";
  folder.Write("modules.json", modules);
  ASSERT_EQ(folder.Error(), "loaded");
  EXPECT_EQ(folder.Load().value()->max_tokens, 7);
  EXPECT_NE(folder.Load().value()->tokenizer, nullptr);
  folder.Write("0_Transformer/sentence_bert_config.json", R"({"max_seq_length": 0})");
  EXPECT_THAT(folder.Error(), HasSubstr("0_Transformer/sentence_bert_config.json: max_seq_length is 0"));
  folder.Write("modules.json", R"([{"path": "../x", "type": "sentence_transformers.models.Transformer"}])");
  EXPECT_EQ(folder.Error(), "modules.json: modules[0].path is \"../x\", must be inside the folder");
  folder.Write("modules.json", R"([{"path": "1_Transformer", "type": "sentence_transformers.models.Transformer"}])");
  EXPECT_THAT(folder.Error(), HasSubstr("1_Transformer/config.json"));
}

TEST(LoadModel, AnUnknownPrefixOfTensorsIsNamed) {
  GoldenModelFolder folder("bert/relu");
  for (OwnedTensor& tensor : folder.tensors) tensor.name = "module." + tensor.name;
  folder.WriteWeights();
  EXPECT_EQ(
      folder.Error(),
      "model.safetensors: there is no tensor embeddings.word_embeddings.weight, which the model needs; the prefix "
      "of module.embeddings.word_embeddings.weight is not known");
}

// The same layers, tensors and positions as those of RoBERTa.
TEST(LoadModel, CamembertIsARoberta) {
  const auto encode = [](const char* model_type) {
    GoldenModelFolder folder("bert/relu");
    folder.config["model_type"] = model_type;
    folder.WriteConfig();
    return Encode(*folder.Load().value()->encoder, {{1, 2, 0}}).value();
  };
  EXPECT_EQ(encode("camembert"), encode("roberta"));
  EXPECT_NE(encode("camembert"), encode("bert"));
}

TEST(LoadModel, ADistilbertsKeysAreItsOwn) {
  GoldenModelFolder folder("bert/distilbert");
  folder.config["activation"] = "tanh";
  folder.config["dim"] = 25;
  folder.WriteConfig();
  EXPECT_THAT(folder.Error(), HasSubstr("config.json: activation is \"tanh\", must be gelu"));
  folder.config["activation"] = "gelu";
  folder.WriteConfig();
  EXPECT_EQ(folder.Error(), "config.json: dim is 25, must be a multiple of n_heads, 3");
}

TEST(LoadModel, AModelWithoutTokenizerTakesIdsAlone) {
  GoldenModelFolder folder("bert/relu");
  fs::remove(folder.path("vocab.txt"));
  const auto model = folder.Load();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->tokenizer, nullptr);
  EXPECT_FALSE(PrepareText(**model, "", "the protein", {}).ok());
  EXPECT_TRUE(PrepareIds(**model, {5, 6}, {}).ok());
}

// Of every file, also of those that may be absent.
const char* const kFiles[] = {"config.json",
                              "model.safetensors",
                              "modules.json",
                              "1_Pooling/config.json",
                              "sentence_bert_config.json",
                              "config_sentence_transformers.json",
                              "favor_tokenizer.json",
                              "tokenizer.json",
                              "vocab.txt",
                              "tokenizer_config.json"};

TEST(LoadModel, NoFileMayBeAFolderAPipeOrALinkToNowhere) {
  for (const std::string file : kFiles) {
    for (const std::string kind : {"folder", "pipe", "link to nowhere", "link to itself"}) {
      GoldenModelFolder folder("bert/relu");
      fs::create_directories(fs::path(folder.path(file)).parent_path());
      fs::remove(folder.path(file));
      if (kind == "folder") fs::create_directory(folder.path(file));
      if (kind == "pipe") mkfifo(folder.path(file).c_str(), 0600);
      if (kind == "link to nowhere") fs::create_symlink("nowhere", folder.path(file));
      if (kind == "link to itself") fs::create_symlink(fs::path(file).filename(), folder.path(file));
      EXPECT_THAT(folder.Error(), HasSubstr(file)) << kind;
    }
  }
}

TEST(LoadModel, AFolderThatIsALinkToItselfIsAnError) {
  GoldenModelFolder folder("bert/relu");
  fs::create_symlink("1_Pooling", folder.path("1_Pooling"));
  EXPECT_THAT(folder.Error(), HasSubstr("1_Pooling/config.json"));
  EXPECT_FALSE(LoadModel(folder.path("1_Pooling")).ok());
}

TEST(LoadModel, FilesMayBeLinksAsInAModelCache) {
  GoldenModelFolder folder("bert/relu");
  for (const char* file : {"config.json", "model.safetensors", "vocab.txt"}) {
    fs::create_directories(folder.path("blobs"));
    fs::rename(folder.path(file), folder.path(std::string("blobs/") + file));
    fs::create_symlink(std::string("blobs/") + file, folder.path(file));
  }
  EXPECT_EQ(folder.Error(), "loaded");
}

TEST(LoadModel, ATokenizerOfMoreIdsThanTheTableIsRefused) {
  GoldenModelFolder bert("bert/relu");
  std::string vocabulary = bert.Read("vocab.txt");
  for (int i = 10; i < 51; ++i) vocabulary += "word" + std::to_string(i) + "\n";
  bert.Write("vocab.txt", vocabulary);
  EXPECT_THAT(bert.Error(), AllOf(HasSubstr("config.json"), HasSubstr("vocab_size"), HasSubstr("51"), HasSubstr("50")));
  GoldenModelFolder performer("performer/rotary");
  performer.Write("favor_tokenizer.json", R"({"format_version": 1, "type": "bytes"})");
  EXPECT_THAT(performer.Error(),
              AllOf(HasSubstr("config.json"), HasSubstr("num_tokens"), HasSubstr("256"), HasSubstr("50")));
}

TEST(LoadModel, AnAddedTokenBehindTheTableIsRefused) {
  GoldenModelFolder folder("bert/relu");
  std::string vocabulary = folder.Read("vocab.txt");
  for (int i = 10; i < 50; ++i) vocabulary += "word" + std::to_string(i) + "\n";
  folder.Write("vocab.txt", vocabulary);
  ASSERT_EQ(folder.Error(), "loaded");
  folder.Write("tokenizer_config.json", R"({"added_tokens_decoder": {"50": {"content": "<new>"}}})");
  EXPECT_THAT(folder.Error(), HasSubstr("vocab_size"));
}

struct BadFile {
  const char* file;
  const char* text;
  std::vector<const char*> named;  // what the message must hold
};

TEST(LoadModel, MalformedFilesOfSentenceTransformersAreNamed) {
  const char* pooling = "1_Pooling/config.json";
  const BadFile bad[] = {
      {"modules.json", "", {"modules.json"}},
      {"modules.json", "{", {"modules.json"}},
      {"modules.json", "[", {"modules.json"}},
      {"modules.json", "\xFF", {"modules.json"}},
      {"modules.json", "null", {"modules.json"}},
      {"modules.json", "{}", {"modules.json", "modules"}},
      {"modules.json", "7", {"modules.json", "modules"}},
      {"modules.json", "[7]", {"modules.json", "modules[0]"}},
      {"modules.json", "[{}]", {"modules.json", "modules[0].type"}},
      {"modules.json", R"([{"type": 1}])", {"modules.json", "modules[0].type"}},
      {"modules.json", R"([{"type": "sentence_transformers.models.LSTM"}])", {"modules.json", "modules[0].type"}},
      {"modules.json", R"([{"type": "sentence_transformers.models.Dense"}])", {"modules.json", "modules[0].type"}},
      {"modules.json", R"([{"type": "x.Transformer"}, {"type": "y.Transformer"}])", {"modules[1].type", "twice"}},
      {"modules.json",
       R"([{"type": "x.Pooling", "path": "p"}, {"type": "x.Pooling", "path": "p"}])",
       {"modules.json", "modules[1].type", "more than one Pooling"}},
      {"modules.json",
       R"([{"type": "x.Normalize"}, {"type": "x.Pooling", "path": "p"}])",
       {"modules.json", "modules[1].type", "behind Normalize"}},
      {"modules.json", R"([{"type": "x.Pooling", "path": "../x"}])", {"modules.json", "modules[0].path", "../x"}},
      {"modules.json", R"([{"type": "x.Pooling", "path": "a/../../x"}])", {"modules.json", "modules[0].path"}},
      {"modules.json", R"([{"type": "x.Pooling", "path": "/etc"}])", {"modules.json", "modules[0].path", "/etc"}},
      {"modules.json", R"([{"type": "x.Pooling", "path": 7}])", {"modules.json", "modules[0].path"}},
      {"modules.json", R"([{"type": "x.Pooling", "path": "nowhere"}])", {"nowhere/config.json"}},
      {pooling, "", {pooling}},
      {pooling, "[]", {pooling}},
      {pooling, R"({"pooling_mode_mean_tokens": 1})", {pooling, "pooling_mode_mean_tokens"}},
      {pooling, R"({"pooling_mode_weightedmean_tokens": 1})", {pooling, "pooling_mode_weightedmean_tokens"}},
      {pooling, R"({"pooling_mode": "median"})", {pooling, "pooling_mode", "median"}},
      {pooling, R"({"pooling_mode_mean_tokens": true, "pooling_mode_mean_tokens": false})", {pooling, "twice"}},
      {"sentence_bert_config.json", R"({"max_seq_length": 0})", {"sentence_bert_config.json", "max_seq_length"}},
      {"sentence_bert_config.json", R"({"max_seq_length": -5})", {"sentence_bert_config.json", "max_seq_length"}},
      {"sentence_bert_config.json", R"({"max_seq_length": 1e18})", {"sentence_bert_config.json", "max_seq_length"}},
      {"sentence_bert_config.json", R"({"max_seq_length": "9"})", {"sentence_bert_config.json", "max_seq_length"}},
      {"sentence_bert_config.json", R"({"max_seq_length": NaN})", {"sentence_bert_config.json"}},
      {"sentence_bert_config.json", "[]", {"sentence_bert_config.json"}},
      {"config_sentence_transformers.json", "[]", {"config_sentence_transformers.json"}},
      {"config_sentence_transformers.json", R"({"prompts": []})", {"config_sentence_transformers.json", "prompts"}},
      {"config_sentence_transformers.json",
       R"({"prompts": {"q": 1}})",
       {"config_sentence_transformers.json", "prompts.q"}},
      {"config_sentence_transformers.json",
       R"({"default_prompt_name": "q"})",
       {"config_sentence_transformers.json", "default_prompt_name"}},
  };
  for (const BadFile& each : bad) {
    GoldenModelFolder folder("bert/relu");
    folder.Write(each.file, each.text);
    const std::string error = folder.Error();
    for (const char* part : each.named) EXPECT_THAT(error, HasSubstr(part)) << each.file << ": " << each.text;
  }
}

TEST(LoadModel, MalformedTokenizersAreNamed) {
  const std::string words = R"("vocab": {"[UNK]": 0, "a": 1})";
  const std::pair<const char*, std::string> bad[] = {
      {"favor_tokenizer.json", ""},
      {"favor_tokenizer.json", "{}"},
      {"favor_tokenizer.json", R"({"format_version": 1, "type": "characters", "vocabulary": {"A": 1000000000000}})"},
      {"favor_tokenizer.json", R"({"format_version": 1, "type": "characters", "vocabulary": {"A": 2000000}})"},
      {"tokenizer.json", ""},
      {"tokenizer.json", "[]"},
      {"tokenizer.json", "{}"},
      {"tokenizer.json", std::string(100, '[')},
      {"tokenizer.json", R"({"model": {"type": "BPE", "vocab": {}, "merges": ["a b"]}})"},
      {"tokenizer.json", R"({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": -1}}})"},
      {"tokenizer.json", R"({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0.5}}})"},
      {"tokenizer.json", R"({"model": {"type": "WordPiece", "unk_token": "x", )" + words + "}}"},
      {"tokenizer.json", R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": []}})"},
      {"tokenizer.json", R"({"model": {"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]}})"},
      {"tokenizer.json", R"({"model": {"type": "WordPiece", "unk_token": "[UNK]", )" + words +
                             R"(}, "post_processor": {"type": "BertProcessing", "cls": ["a", 7], "sep": ["a", 1]}})"},
      {"tokenizer.json", R"({"model": {"type": "WordPiece", "unk_token": "[UNK]", )" + words +
                             R"(}, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}})"},
      {"vocab.txt", ""},
      {"vocab.txt", "\n\n"},
      {"vocab.txt", "\xFF\xFE"},
      {"vocab.txt", "[UNK]\n[UNK]\n[CLS]\n"},
      {"vocab.txt", std::string(1 << 20, 'a')},
      {"tokenizer_config.json", "{"},
      {"tokenizer_config.json", R"({"do_lower_case": "yes"})"},
      {"tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer"})"},
      {"tokenizer_config.json", R"({"unk_token": "nothing"})"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"99999999999": {"content": "x"}}})"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"5": {"content": "protein"}}})"},
  };
  for (const auto& [file, text] : bad) {
    GoldenModelFolder folder("bert/relu");
    folder.Write(file, text);
    EXPECT_THAT(folder.Error(), AnyOf(HasSubstr(file), AllOf(HasSubstr("vocab.txt"), HasSubstr("tokenizer_config"))))
        << text.substr(0, 200);
  }
}

TEST(LoadModel, AVeryLongListOfAddedTokensIsReadInLinearTime) {
  GoldenModelFolder folder("bert/relu");
  std::string decoder = R"({"added_tokens_decoder": {)";
  for (int id = 10; id < 200'010; ++id) {
    absl::StrAppend(&decoder, "\"", id, R"(": {"content": "[unused)", id, "]\"},");
  }
  decoder.back() = '}';
  folder.Write("tokenizer_config.json", decoder + "}");
  EXPECT_THAT(folder.Error(), HasSubstr("vocab_size"));
}

TEST(LoadModel, AnAddedTokenIsNoLongerThanAnyOther) {
  GoldenModelFolder folder("bert/relu");
  folder.Write("tokenizer_config.json",
               R"({"added_tokens_decoder": {"20": {"content": ")" + std::string(100'000, 'x') + "\"}}}");
  EXPECT_THAT(folder.Error(), AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("added_tokens_decoder.20")));
}

}  // namespace
}  // namespace favor::testing
