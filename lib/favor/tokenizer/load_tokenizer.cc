#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/format/file_io.h"
#include "favor/format/json.h"
#include "favor/tokenizer/character_tokenizer.h"
#include "favor/tokenizer/tokenizer.h"
#include "favor/tokenizer/tokenizer_agreement.h"
#include "favor/tokenizer/tokenizer_json.h"
#include "favor/tokenizer/tokenizer_settings.h"
#include "favor/tokenizer/vocab_txt.h"

namespace favor {
namespace {

// Vocabularies of a million tokens have less than 40 MB.
constexpr int64_t kMaxFileBytes = 128 << 20;

// Files that say that a folder has a tokenizer which none of the above describes.
constexpr absl::string_view kOtherTokenizers[] = {"sentencepiece.bpe.model", "spiece.model", "tokenizer.model",
                                                  "merges.txt", "vocab.json"};

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadVocabTxt(const std::string& vocabulary_path, const TokenizerFiles& files,
                                                        bool lowercase_first) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(vocabulary_path);
  if (!file.ok()) return file.status();
  const absl::Span<const std::byte> bytes = file->bytes();
  if (static_cast<int64_t>(bytes.size()) > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat("vocab.txt has ", bytes.size(), " bytes, at most ", kMaxFileBytes));
  }
  return TokenizerFromVocabTxt({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, files, lowercase_first);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder, bool lowercase_first) {
  const auto path = [&](absl::string_view name) { return absl::StrCat(folder, "/", name); };
  if (const std::string file = path("favor_tokenizer.json"); EntryExists(file)) {
    if (lowercase_first) {
      return absl::InvalidArgumentError("favor_tokenizer.json does not make texts lower case, as it is asked to");
    }
    const absl::StatusOr<JsonValue> json = ReadJsonFile(file, kMaxFileBytes);
    return json.ok() ? TokenizerFromFavorJson(*json) : json.status();
  }
  if (const std::string file = path("tokenizer.json"); EntryExists(file)) {
    const absl::StatusOr<JsonValue> json = ReadJsonFile(file, kMaxFileBytes);
    if (!json.ok()) return json.status();
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = TokenizerFromJson(*json, lowercase_first);
    if (!tokenizer.ok()) return tokenizer;
    const absl::StatusOr<TokenizerFiles> files = ReadTokenizerFiles(folder);
    if (!files.ok()) return files.status();
    if (absl::Status status = CheckAgreement(*json, **tokenizer, *files); !status.ok()) return status;
    return tokenizer;
  }
  if (const std::string file = path("vocab.txt"); EntryExists(file)) {
    const absl::StatusOr<TokenizerFiles> files = ReadTokenizerFiles(folder);
    return files.ok() ? LoadVocabTxt(file, *files, lowercase_first) : files.status();
  }
  for (const absl::string_view name : kOtherTokenizers) {
    if (!EntryExists(path(name))) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is not implemented; known: favor_tokenizer.json, tokenizer.json, vocab.txt with tokenizer_config.json"));
  }
  return std::unique_ptr<Tokenizer>();
}

}  // namespace favor
