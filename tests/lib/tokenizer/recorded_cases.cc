#include "tests/lib/tokenizer/recorded_cases.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "favor/format/json.h"
#include "favor/tokenizer/tokenizer_json.h"

namespace favor {
namespace {

JsonValue Parse(absl::string_view text) {
  absl::StatusOr<JsonValue> json = ParseJson(text, "test");
  if (json.ok()) return *std::move(json);
  std::cerr << json.status() << std::endl;
  std::abort();
}

// The text of the member "tokenizer" of a line of configuration, which is its last.
std::string TokenizerText(const std::string& line) {
  const size_t begin = line.find("\"tokenizer\":") + 12;
  return line.substr(begin, line.rfind('}') - begin);
}

}  // namespace

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string VocabularyJson(absl::string_view vocab_txt) {
  std::string json = "{";
  int id = 0;
  for (const absl::string_view line : absl::StrSplit(vocab_txt, '\n')) {
    if (!line.empty()) {
      absl::StrAppend(&json, id == 0 ? "" : ",", "\"", absl::StrReplaceAll(line, {{"\\", "\\\\"}, {"\"", "\\\""}}),
                      "\":", id);
    }
    ++id;
  }
  return json + "}";
}

RecordedCases ReadRecordedCases(const std::string& path, absl::string_view vocab_txt) {
  RecordedCases recorded;
  const std::string vocabulary = VocabularyJson(vocab_txt);
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const JsonValue json = Parse(line);
    if (const JsonValue* name = json.Find("config")) {
      recorded.configs[*name->string()] =
          absl::StrReplaceAll(TokenizerText(line), {{"\"vocab\":{}", absl::StrCat("\"vocab\":", vocabulary)}});
      continue;
    }
    RecordedCase recorded_case{*json.Find("case")->string(), *json.Find("text")->string(), {}};
    const JsonValue::Array& numbers = *json.Find("tokens")->array();
    for (size_t i = 0; i < numbers.size(); i += 3) {
      recorded_case.tokens.push_back(
          {static_cast<int32_t>(*numbers[i].integer()), *numbers[i + 1].integer(), *numbers[i + 2].integer()});
    }
    recorded.cases.push_back(std::move(recorded_case));
  }
  return recorded;
}

std::unique_ptr<Tokenizer> TokenizerOf(absl::string_view tokenizer_json) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = TokenizerFromJson(Parse(tokenizer_json));
  if (tokenizer.ok()) return *std::move(tokenizer);
  std::cerr << tokenizer.status() << std::endl;
  std::abort();
}

std::string Show(const std::vector<Token>& tokens) {
  std::string text;
  for (const Token& token : tokens) {
    absl::StrAppend(&text, text.empty() ? "" : " ", token.id, "[", token.begin, ",", token.end, ")");
  }
  return text;
}

}  // namespace favor
