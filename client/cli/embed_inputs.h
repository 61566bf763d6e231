#ifndef FAVOR_CLIENT_CLI_EMBED_INPUTS_H_
#define FAVOR_CLIENT_CLI_EMBED_INPUTS_H_

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/flags.h"
#include "client/embed.h"

namespace favor::cli {

// Where the inputs of a command come from: exactly one of texts, ids and file.
struct InputSource {
  std::vector<std::string> texts = {};
  std::vector<int64_t> ids = {};
  std::string file = "";                    // "-": standard input
  absl::string_view file_flag = "--input";  // that names the file
  bool json_lines = false;                  // whatever the file's name

  // Whether lines of the file are JSON.
  bool has_json_lines() const;

  // InvalidArgumentError unless one of them was given. Not every command has --ids.
  absl::Status Validate(const FlagSet& flags) const;
};

// Inputs a line at a time, by the rules below. `in` must outlive it.
class InputLines {
 public:
  // Of `in`, which is the file or standard input of `source`.
  InputLines(std::istream* in, InputSource source) : in_(*in), source_(std::move(source)) {}

  // The next one; nothing after the last.
  absl::StatusOr<std::optional<client::EmbedInput>> Next();

 private:
  std::istream& in_;
  const InputSource source_;
  int64_t number_ = 0;  // of the line
};

// All inputs, in their order. A line's end may be "\r\n"; an empty line is an empty text, and nothing in JSON lines.
// Errors name the file and the line. `in` is standard input.
absl::StatusOr<std::vector<client::EmbedInput>> ReadInputs(const InputSource& source, std::istream& in);

// An input in at most `width` characters for people: quoted text on one line, "..." where something was left out, or
// "ids 101, 2023, ...".
std::string Describe(const client::EmbedInput& input, size_t width = 48);

// The longest beginning of UTF-8 text that has at most `width` characters.
absl::string_view FirstCharacters(absl::string_view text, size_t width);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_EMBED_INPUTS_H_
