#include "server/security/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/execution/priority_shares.h"

namespace favor {
namespace {

constexpr size_t kMaxNameBytes = 64;

bool IsName(absl::string_view text) {
  return text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '@';
         });
}

bool ReadHash(absl::string_view text, std::array<uint8_t, 32>* hash) {
  const bool is_hash = text.size() == 2 * hash->size() &&
                       std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isxdigit(c); });
  if (!is_hash) return false;
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), hash->begin());
  return true;
}

absl::Status ReadOption(absl::string_view text, ApiKey* key) {
  if (text == "admin") {
    key->is_admin = true;
    return absl::OkStatus();
  }
  constexpr int64_t kMost = 1'000'000'000;
  const std::pair<absl::string_view, absl::string_view> split = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const auto& [name, value] = split;
  double rate = 0;
  int64_t number = 0;
  if (name == "rate" && absl::SimpleAtod(value, &rate) && rate >= 0 && rate <= kMost) {
    key->limits.calls_per_second = rate;
  } else if (name == "burst" && absl::SimpleAtoi(value, &number) && number >= 0 && number <= kMost) {
    key->limits.burst = number;
  } else if (name == "calls" && absl::SimpleAtoi(value, &number) && number >= 0 && number <= kMost) {
    key->limits.max_calls = number;
  } else if (const std::optional<Priority> priority = ParsePriority(value); name == "priority" && priority) {
    key->priority = *priority;
  } else {
    return absl::InvalidArgumentError(
        "an option is none of rate=NUMBER, burst=N, calls=N (0 to 1000000000, 0 for no limit), priority=low, normal "
        "or high, and admin");
  }
  return absl::OkStatus();
}

absl::Status ReadLine(absl::string_view line, ApiKey* key) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  // Not quoted: whoever mixes the order up has put a hash, or a key, where the name belongs.
  if (!IsName(words[0])) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name must be at most ", kMaxNameBytes, " letters, digits and -_.@"));
  }
  key->name = std::string(words[0]);
  if (words.size() < 2 || !ReadHash(words[1], &key->hash)) {
    return absl::InvalidArgumentError(
        "the name must be followed by the SHA-256 of a key, which is 64 hexadecimal digits");
  }
  for (size_t i = 2; i < words.size(); ++i) {
    if (absl::Status status = ReadOption(words[i], key); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ApiKeys> ApiKeys::Parse(absl::string_view text, absl::string_view source, const KeyLimits& defaults) {
  ApiKeys keys;
  absl::flat_hash_set<std::string> names;
  absl::flat_hash_map<std::array<uint8_t, 32>, std::string> hashes;  // names by them
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const auto fail = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat(source, ":", number, ": ", what));
    };
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    ApiKey key;
    key.limits = defaults;
    if (absl::Status status = ReadLine(line, &key); !status.ok()) return fail(status.message());
    if (!names.insert(key.name).second) return fail(absl::StrCat("there is a second key ", key.name));
    const auto [same, is_first] = hashes.try_emplace(key.hash, key.name);
    if (!is_first) return fail(absl::StrCat("keys ", same->second, " and ", key.name, " are the same key"));
    if (keys.keys_.size() == kMaxKeys) return fail(absl::StrCat("there are more than ", kMaxKeys, " keys"));
    keys.keys_.push_back(std::move(key));
  }
  // It may be a file that somebody is just writing; and where nobody may call, no server is needed.
  if (keys.keys_.empty()) return absl::InvalidArgumentError(absl::StrCat(source, " holds no key"));
  return keys;
}

std::array<uint8_t, 32> ApiKeys::HashOf(absl::string_view key) {
  std::array<uint8_t, 32> hash;
  static_assert(hash.size() == SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

const ApiKey* ApiKeys::Find(absl::string_view key) const {
  if (key.size() > kMaxKeyBytes) return nullptr;
  const std::array<uint8_t, 32> hash = HashOf(key);
  const ApiKey* found = nullptr;
  for (const ApiKey& candidate : keys_) {
    const bool matches = CRYPTO_memcmp(candidate.hash.data(), hash.data(), hash.size()) == 0;
    found = matches ? &candidate : found;
  }
  return found;
}

}  // namespace favor
