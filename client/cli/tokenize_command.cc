#include "client/cli/tokenize_command.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/connection_flags.h"
#include "client/cli/embed_inputs.h"
#include "client/cli/failure.h"
#include "client/cli/flags.h"
#include "client/cli/json.h"
#include "client/client.h"
#include "client/embed_all.h"
#include "client/wire/shifted_index.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Prints how a model's tokenizer cuts texts: each token's piece, its id and the bytes of the text that it
stands for.

Usage: favor tokenize (TEXT [TEXT ...] | --input FILE) [flags]

Examples:
  favor tokenize "unaffable weather"
  favor tokenize --model minilm --no-special-tokens "unaffable weather" --json
  favor tokenize --input sentences.txt --json

--json prints one object: results [{text, ids, begins, ends, pieces}], one for each text. Bytes begin ... end
- 1 of the text are the token's; tokens that stand for none have begin = end = 0.

Exit code: 0 done, 1 a server or a file failed, 2 the command line makes no sense.
)";

// Well below what a server takes, and enough for the call itself not to matter.
constexpr size_t kMaxRequestBytes = size_t{8} << 20;

struct TokenizeFlags {
  InputSource source;
  client::TokenizeOptions options = {.with_pieces = true};
  ConnectionFlags connection;
};

Json ToJson(const std::vector<std::string>& texts, const std::vector<client::Tokens>& results) {
  Json json = {{"results", Json::array()}};
  for (size_t i = 0; i < texts.size(); ++i) {
    const client::Tokens& tokens = results[i];
    json["results"].push_back({{"text", texts[i]},
                               {"ids", tokens.ids},
                               {"begins", tokens.begins},
                               {"ends", tokens.ends},
                               {"pieces", tokens.pieces}});
  }
  return json;
}

// The bytes that a token stands for; empty where the server's range is none of this text.
std::string TextOf(const std::string& text, int64_t begin, int64_t end) {
  if (begin < 0 || end < begin || end > static_cast<int64_t>(text.size())) return "";
  return text.substr(begin, end - begin);
}

// Columns line up for people, so they are counted in characters.
std::string Padded(std::string text, size_t width) {
  size_t size = 0;
  for (const char c : text) size += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  if (size < width) text.append(width - size, ' ');
  return text;
}

void PrintText(const std::string& text, const client::Tokens& tokens, std::ostream& out) {
  const size_t count = tokens.ids.size();
  out << Describe(text, 90) << ": " << count << (count == 1 ? " token\n" : " tokens\n");
  out << absl::StrFormat("  %8s  %-20s %-12s %s\n", "id", "piece", "bytes", "text");
  for (size_t i = 0; i < count; ++i) {
    const int64_t begin = tokens.begins[i], end = tokens.ends[i];
    const std::string piece = i < tokens.pieces.size() ? tokens.pieces[i] : "";
    out << absl::StrFormat("  %8d  ", tokens.ids[i]);
    if (begin == end) {
      out << piece << "\n";
    } else {
      out << Padded(piece, 20) << " " << Padded(absl::StrCat(begin, "-", end - 1), 12) << " "
          << TextOf(text, begin, end) << "\n";
    }
  }
}

absl::StatusOr<std::vector<std::string>> ReadTexts(const InputSource& source, std::istream& in) {
  const absl::StatusOr<std::vector<client::EmbedInput>> inputs = ReadInputs(source, in);
  if (!inputs.ok()) return inputs.status();
  std::vector<std::string> texts;
  for (const client::EmbedInput& input : *inputs) {
    const auto* text = std::get_if<std::string>(&input);
    if (text == nullptr) return absl::InvalidArgumentError(absl::StrCat("--input: ", source.file, " has ids"));
    texts.push_back(*text);
  }
  return texts;
}

// Request after request, of as many texts as one may have.
absl::StatusOr<std::vector<client::Tokens>> TokenizeAll(const client::Client& client,
                                                        absl::Span<const std::string> texts,
                                                        const client::TokenizeOptions& options) {
  std::vector<client::Tokens> all;
  while (all.size() < texts.size()) {
    size_t count = 0;
    for (size_t bytes = 0; all.size() + count < texts.size() && count < client::kMaxInputsPerRequest; ++count) {
      bytes += texts[all.size() + count].size();
      if (count > 0 && bytes > kMaxRequestBytes) break;
    }
    absl::StatusOr<std::vector<client::Tokens>> tokens = client.Tokenize(texts.subspan(all.size(), count), options);
    if (!tokens.ok()) return client::WithIndexesFrom(all.size(), "texts", tokens.status());
    std::move(tokens->begin(), tokens->end(), std::back_inserter(all));
  }
  return all;
}

ExitCode Tokenize(const TokenizeFlags& flags, const Console& console) {
  const absl::StatusOr<std::vector<std::string>> texts = ReadTexts(flags.source, console.in);
  if (!texts.ok()) return Fail(texts.status(), "tokenize", flags.connection, console);
  const absl::StatusOr<client::Client> client = Connect(flags.connection);
  if (!client.ok()) return Fail(client.status(), "tokenize", flags.connection, console);
  const absl::StatusOr<std::vector<client::Tokens>> results = TokenizeAll(*client, *texts, flags.options);
  if (!results.ok()) return Fail(results.status(), "tokenize", flags.connection, console);
  if (flags.connection.json) {
    console.out << ToText(ToJson(*texts, *results)) << "\n";
    return kExitOk;
  }
  for (size_t i = 0; i < texts->size(); ++i) PrintText((*texts)[i], (*results)[i], console.out);
  return kExitOk;
}

}  // namespace

ExitCode RunTokenize(absl::Span<const std::string> arguments, const Console& console) {
  TokenizeFlags tokenize;
  FlagSet flags;
  flags.AddArguments(&tokenize.source.texts);
  flags.BeginSection("Tokenize");
  flags.Add("model", "NAME", "Default: the only one that the server has loaded.", &tokenize.options.model);
  flags.Add("input", "FILE", "Read a text from every line; -: of standard input.", &tokenize.source.file);
  flags.Add("jsonl", "The lines are JSON, {\"text\": \"...\"}; implied by a name that ends in .jsonl.",
            &tokenize.source.json_lines);
  flags.Add("no-special-tokens", "Leave out those that an embedding adds.", &tokenize.options.without_special_tokens);
  tokenize.connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) {
    return FailUsage(status.message(), "tokenize", console);
  }
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  if (tokenize.source.texts.empty() == tokenize.source.file.empty()) {
    return FailUsage("give either texts or --input", "tokenize", console);
  }
  if (absl::Status status = tokenize.source.Validate(flags); !status.ok()) {
    return FailUsage(status.message(), "tokenize", console);
  }
  return Tokenize(tokenize, console);
}

}  // namespace favor::cli
