#include "favor/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "favor/format/json_fields.h"
#include "favor/tokenizer/component_json.h"
#include "favor/tokenizer/model_json.h"
#include "favor/tokenizer/normalizer_sequence.h"
#include "favor/tokenizer/pipeline_tokenizer.h"
#include "favor/tokenizer/post_processor_json.h"

namespace favor {
namespace {

constexpr char kFile[] = "tokenizer.json";

void ReadAddedTokens(const JsonFields& root, Pipeline* pipeline) {
  absl::flat_hash_set<std::string> contents;
  absl::flat_hash_set<int32_t> ids;
  const int64_t num_entries = pipeline->vocabulary->num_entries();
  int64_t last_id = -1;
  for (const JsonFields& fields : root.Objects("added_tokens")) {
    AddedToken token;
    token.content = fields.RequiredString("content");
    token.id = static_cast<int32_t>(fields.RequiredInteger("id", 0, Vocabulary::kMaxId));
    token.single_word = fields.Bool("single_word", false);
    token.lstrip = fields.Bool("lstrip", false);
    token.rstrip = fields.Bool("rstrip", false);
    token.normalized = fields.Bool("normalized", !fields.Bool("special", false));
    if (!root.ok()) return;
    if (token.content.size() > Vocabulary::kMaxPieceBytes) {
      return fields.FailValue("content", absl::StrCat("which is longer than ", Vocabulary::kMaxPieceBytes, " bytes"));
    }
    const int32_t known_id = pipeline->vocabulary->Find(token.content);
    if (known_id != Vocabulary::kNone && known_id != token.id) {
      return fields.FailValue("id", absl::StrCat("in model.vocab the token has ", known_id));
    }
    if (known_id == Vocabulary::kNone && !pipeline->vocabulary->Piece(token.id).empty()) {
      return fields.FailValue("id", "which another token of model.vocab has");
    }
    if (token.content.empty()) continue;  // the reference ignores them
    if (!ids.insert(token.id).second) return fields.FailValue("id", "which is there twice");
    if (!contents.insert(token.content).second) return fields.FailValue("content", "which is there twice");
    // The reference does not look at the id, but counts on.
    const int64_t next_id = last_id >= num_entries ? last_id + 1 : num_entries;
    if (known_id == Vocabulary::kNone && token.id != next_id) {
      return fields.FailValue("id", absl::StrCat("the token's is ", next_id, ": the next one behind those before it"));
    }
    last_id = std::max<int64_t>(last_id, token.id);
    pipeline->added_tokens.push_back(std::move(token));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromJson(const JsonValue& json, bool lowercase_first) {
  absl::Status status;
  const JsonFields root(json, kFile, &status);
  Pipeline pipeline;
  pipeline.normalizer = ReadNormalizer(root);
  if (lowercase_first) pipeline.normalizer = LowercaseBefore(std::move(pipeline.normalizer));
  pipeline.pre_tokenizer = ReadPreTokenizer(root);
  if (status.ok()) ReadModel(root, &pipeline);
  if (status.ok()) ReadAddedTokens(root, &pipeline);
  if (status.ok()) ReadPostProcessor(root, &pipeline);
  if (!status.ok()) return status;
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(pipeline));
  for (const std::vector<int32_t>* ids : {&tokenizer->prefix(), &tokenizer->suffix()}) {
    for (const int32_t id : *ids) {
      if (id < tokenizer->vocabulary_size()) continue;
      root.Fail("post_processor",
                absl::StrCat("stands for id ", id, ", the vocabulary has ", tokenizer->vocabulary_size()));
    }
  }
  if (!status.ok()) return status;
  return tokenizer;
}

}  // namespace favor
