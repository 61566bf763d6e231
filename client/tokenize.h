#ifndef FAVOR_CLIENT_TOKENIZE_H_
#define FAVOR_CLIENT_TOKENIZE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace favor::client {

struct TokenizeOptions {
  std::string model = "";               // empty: the only one loaded
  bool without_special_tokens = false;  // leaves out those that Embed would add
  bool with_pieces = false;             // adds the tokens' text
  // For this call, in place of ClientOptions::deadline.
  std::optional<absl::Duration> deadline = std::nullopt;
};

// The tokens of one text.
struct Tokens {
  std::vector<int32_t> ids = {};
  // Bytes of the text that each token stands for, [begins, ends); special tokens have begin = end = 0.
  std::vector<int64_t> begins = {};
  std::vector<int64_t> ends = {};
  std::vector<std::string> pieces = {};  // empty unless asked for
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TOKENIZE_H_
