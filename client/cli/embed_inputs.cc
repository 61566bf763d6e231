#include "client/cli/embed_inputs.h"

#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/json.h"

namespace favor::cli {
namespace {

// "FILE:LINE", as compilers say it.
std::string Place(const std::string& file, int64_t line) {
  return absl::StrCat(file == "-" ? "standard input" : file, ":", line);
}

bool ReadIds(const Json& json, std::vector<int32_t>* ids) {
  if (!json.is_array()) return false;
  for (const Json& id : json) {
    if (!id.is_number_integer() || id < INT32_MIN || id > INT32_MAX) return false;
    ids->push_back(id.get<int32_t>());
  }
  return true;
}

absl::StatusOr<client::EmbedInput> FromJson(const std::string& line, const std::string& place) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("text") != json.contains("ids")) {
    if (json.contains("text") && json["text"].is_string()) return json["text"].get<std::string>();
    std::vector<int32_t> ids;
    if (json.contains("ids") && ReadIds(json["ids"], &ids)) return ids;
  }
  return absl::InvalidArgumentError(absl::StrCat(place, " is neither {\"text\": \"...\"} nor {\"ids\": [integers]}"));
}

absl::StatusOr<std::vector<client::EmbedInput>> ReadLines(const InputSource& source, std::istream& in) {
  std::vector<client::EmbedInput> inputs;
  InputLines lines(&in, source);
  while (true) {
    absl::StatusOr<std::optional<client::EmbedInput>> input = lines.Next();
    if (!input.ok()) return input.status();
    if (!input->has_value()) break;
    inputs.push_back(**std::move(input));
  }
  if (inputs.empty())
    return absl::InvalidArgumentError(absl::StrCat(source.file_flag, ": ", source.file, " has no inputs"));
  return inputs;
}

}  // namespace

absl::StatusOr<std::optional<client::EmbedInput>> InputLines::Next() {
  std::string line;
  while (std::getline(in_, line)) {
    ++number_;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!source_.has_json_lines()) return std::optional<client::EmbedInput>(std::move(line));
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    absl::StatusOr<client::EmbedInput> input = FromJson(line, Place(source_.file, number_));
    if (!input.ok()) return input.status();
    return std::optional<client::EmbedInput>(*std::move(input));
  }
  if (in_.bad()) return absl::DataLossError(absl::StrCat(source_.file_flag, ": cannot read ", source_.file));
  return std::optional<client::EmbedInput>();
}

bool InputSource::has_json_lines() const { return json_lines || absl::EndsWith(file, ".jsonl"); }

absl::Status InputSource::Validate(const FlagSet& flags) const {
  const bool has_ids = flags.IsSet("ids");
  if ((texts.empty() ? 0 : 1) + (file.empty() ? 0 : 1) + (has_ids ? 1 : 0) != 1) {
    return absl::InvalidArgumentError("give either texts, --input or --ids");
  }
  if (json_lines && file.empty()) return absl::InvalidArgumentError("--jsonl needs --input");
  for (const int64_t id : ids) {
    if (id < INT32_MIN || id > INT32_MAX) {
      return absl::InvalidArgumentError(absl::StrCat("--ids has ", id, ", ids are integers of 32 bits"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<client::EmbedInput>> ReadInputs(const InputSource& source, std::istream& in) {
  if (source.file == "-") return ReadLines(source, in);
  if (!source.file.empty()) {
    std::ifstream file(source.file, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat(source.file_flag, ": cannot read ", source.file));
    return ReadLines(source, file);
  }
  if (source.texts.empty()) {
    return std::vector<client::EmbedInput>{std::vector<int32_t>(source.ids.begin(), source.ids.end())};
  }
  return std::vector<client::EmbedInput>(source.texts.begin(), source.texts.end());
}

absl::string_view FirstCharacters(absl::string_view text, size_t width) {
  size_t size = 0;
  for (size_t characters = 0; size < text.size(); ++size) {
    const bool starts_one = (static_cast<unsigned char>(text[size]) & 0xc0) != 0x80;
    if (starts_one && characters++ == width) break;
  }
  return text.substr(0, size);
}

std::string Describe(const client::EmbedInput& input, size_t width) {
  constexpr absl::string_view kEllipsis = "...";
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&input)) {
    std::string text = "ids";
    for (size_t i = 0; i < ids->size(); ++i) {
      const std::string next = absl::StrCat(i == 0 ? " " : ", ", (*ids)[i]);
      if (text.size() + next.size() + kEllipsis.size() + 2 > width) return absl::StrCat(text, ", ", kEllipsis);
      text += next;
    }
    return text;
  }
  const std::string& whole = std::get<std::string>(input);
  std::string text(FirstCharacters(whole, width - 2));
  if (text.size() < whole.size()) text = absl::StrCat(FirstCharacters(whole, width - 2 - kEllipsis.size()), kEllipsis);
  for (char& c : text) {
    // A terminal would take these for commands.
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return absl::StrCat("\"", text, "\"");
}

}  // namespace favor::cli
