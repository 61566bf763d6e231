#ifndef FAVOR_TESTS_LIB_TOKENIZER_RECORDED_CASES_H_
#define FAVOR_TESTS_LIB_TOKENIZER_RECORDED_CASES_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/tokenizer.h"

namespace favor {

std::string ReadText(const std::string& path);

// {"a":0,"b":1,...}: the lines of a vocab.txt as the vocabulary of a tokenizer.json.
std::string VocabularyJson(absl::string_view vocab_txt);

// What tests/data/tokenizer/generate.py recorded.
struct RecordedCase {
  std::string config;
  std::string text;
  std::vector<Token> tokens;
};
struct RecordedCases {
  std::map<std::string, std::string> configs;  // tokenizer.json by name
  std::vector<RecordedCase> cases;
};
RecordedCases ReadRecordedCases(const std::string& path, absl::string_view vocab_txt);

// Aborts the test when the text is no tokenizer.json.
std::unique_ptr<Tokenizer> TokenizerOf(absl::string_view tokenizer_json);

// "7592[0,5) 1010[5,6)", to compare and to read.
std::string Show(const std::vector<Token>& tokens);

}  // namespace favor

#endif  // FAVOR_TESTS_LIB_TOKENIZER_RECORDED_CASES_H_
