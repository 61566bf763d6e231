#ifndef FAVOR_TOKENIZER_UTF8_H_
#define FAVOR_TOKENIZER_UTF8_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor {

// InvalidArgumentError, naming the first byte that is wrong, for what is not UTF-8: also overlong forms, surrogates and
// what lies beyond U+10FFFF.
absl::Status CheckUtf8(absl::string_view text);

// The same of the characters that start before byte `stop`, from *position on, which is moved behind them.
absl::Status CheckUtf8(absl::string_view text, size_t stop, size_t* position);

// The character that starts at *position, which is moved behind it. `text` is UTF-8 and longer than *position.
char32_t NextCharacter(absl::string_view text, size_t* position);

void AppendUtf8(char32_t character, std::string* text);

// "U+00E9 (é)"; control characters without the text.
std::string CharacterName(char32_t character);

int64_t CountCharacters(absl::string_view text);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_UTF8_H_
