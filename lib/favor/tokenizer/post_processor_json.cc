#include "favor/tokenizer/post_processor_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "favor/tokenizer/vocabulary.h"

namespace favor {
namespace {

int32_t ReadId(const JsonValue& value, const JsonFields& fields, absl::string_view field) {
  const int64_t* id = value.integer();
  if (id != nullptr && *id >= 0 && *id <= Vocabulary::kMaxId) return static_cast<int32_t>(*id);
  fields.Fail(field, absl::StrCat("holds ", value.Description(), ", ids are 0 to ", Vocabulary::kMaxId));
  return 0;
}

// ["[SEP]", 102]
int32_t ReadTokenAndId(const JsonFields& fields, absl::string_view field) {
  const JsonValue::Array& pair = fields.RequiredArray(field);
  if (fields.ok() && (pair.size() != 2 || pair[0].string() == nullptr)) {
    fields.Fail(field, "is not a token and its id");
  }
  return fields.ok() ? ReadId(pair[1], fields, field) : 0;
}

// Encoders take every token to be of type 0.
void CheckType(const JsonFields& piece) {
  if (piece.Integer("type_id", 0) != 0) piece.FailValue("type_id", "which is not implemented; known: 0");
}

// "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, ...], and
// "special_tokens": {"[CLS]": {"ids": [101]}}.
void ReadTemplate(const JsonFields& fields, std::vector<int32_t>* prefix, std::vector<int32_t>* suffix) {
  constexpr size_t kMaxIds = 256;
  const JsonFields special_tokens = fields.Object("special_tokens");
  fields.RequiredArray("single");
  int num_texts = 0;
  for (const JsonFields& piece : fields.Objects("single")) {
    if (piece.Has("Sequence")) {
      const JsonFields sequence = piece.Object("Sequence");
      if (sequence.RequiredString("id") != "A") sequence.FailValue("id", "a single text is \"A\"");
      CheckType(sequence);
      ++num_texts;
      continue;
    }
    const JsonFields special = piece.RequiredObject("SpecialToken");
    const std::string name = special.RequiredString("id");
    CheckType(special);
    std::vector<int32_t>* const ids = num_texts == 0 ? prefix : suffix;
    if (!fields.ok()) return;
    const JsonFields special_token = special_tokens.RequiredObject(name);
    for (const JsonValue& id : special_token.RequiredArray("ids")) {
      ids->push_back(ReadId(id, special_token, "ids"));
      if (ids->size() > kMaxIds)
        return fields.Fail("single", absl::StrCat("stands for more than ", kMaxIds, " tokens"));
    }
  }
  if (num_texts != 1) fields.Fail("single", absl::StrCat("has the text ", num_texts, " times, not once"));
}

void ReadTrim(const JsonFields& fields, Pipeline* pipeline) {
  if (!fields.Bool("trim_offsets", true)) return;
  pipeline->trim = fields.Bool("add_prefix_space", true) ? SpaceTrim::kAllButFirst : SpaceTrim::kAll;
}

// What comes later in a sequence stands around what came before.
void ReadStep(const JsonFields& fields, Pipeline* pipeline) {
  const std::string type = fields.RequiredString("type");
  std::vector<int32_t> before, behind;
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    before = {ReadTokenAndId(fields, "cls")};
    behind = {ReadTokenAndId(fields, "sep")};
  } else if (type == "TemplateProcessing") {
    ReadTemplate(fields, &before, &behind);
  } else if (type != "ByteLevel") {
    fields.FailValue(
        "type",
        "which is not implemented; known: BertProcessing, RobertaProcessing, TemplateProcessing, ByteLevel, "
        "Sequence of these");
  }
  if (type == "RobertaProcessing" || type == "ByteLevel") ReadTrim(fields, pipeline);
  pipeline->prefix.insert(pipeline->prefix.begin(), before.begin(), before.end());
  pipeline->suffix.insert(pipeline->suffix.end(), behind.begin(), behind.end());
}

}  // namespace

void ReadPostProcessor(const JsonFields& root, Pipeline* pipeline) {
  if (!root.Has("post_processor")) return;
  const JsonFields fields = root.Object("post_processor");
  if (fields.String("type", "") != "Sequence") return ReadStep(fields, pipeline);
  constexpr size_t kMaxSteps = 16;
  const std::vector<JsonFields> steps = fields.Objects("processors");
  if (steps.size() > kMaxSteps) return fields.Fail("processors", absl::StrCat("has more than ", kMaxSteps, " steps"));
  for (const JsonFields& step : steps) ReadStep(step, pipeline);
}

}  // namespace favor
