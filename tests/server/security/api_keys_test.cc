#include "server/security/api_keys.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/certificates.h"

namespace favor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Sha256Of;

TEST(ApiKeys, OneKeyHasOneName) {
  const std::string text = absl::StrCat("alice ", Sha256Of("x"), " rate=1\nbob ", Sha256Of("x"), " admin\n");
  const auto keys = ApiKeys::Parse(text, "keys", {});
  EXPECT_THAT(std::string(keys.status().message()), HasSubstr("keys:2: keys alice and bob are the same key"));
}

TEST(ApiKeys, AreFoundByTheKeyWhoseHashTheFileHolds) {
  const auto keys = ApiKeys::Parse(absl::StrCat("# who may call\n\n", "alice ", Sha256Of("key of alice"), "\r\n",
                                                "bob\t", Sha256Of("key of bob"), "  rate=2.5 calls=3 burst=7 admin"),
                                   "keys", {.calls_per_second = 9, .max_calls = 4});
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_NE(keys->Find("key of alice"), nullptr);
  EXPECT_EQ(keys->Find("key of alice")->name, "alice");
  EXPECT_EQ(keys->Find("key of alice")->limits.calls_per_second, 9);
  EXPECT_EQ(keys->Find("key of alice")->limits.max_calls, 4);
  EXPECT_FALSE(keys->Find("key of alice")->is_admin);
  const ApiKey* bob = keys->Find("key of bob");
  ASSERT_NE(bob, nullptr);
  EXPECT_EQ(bob->limits.calls_per_second, 2.5);
  EXPECT_EQ(bob->limits.burst, 7);
  EXPECT_EQ(bob->limits.max_calls, 3);
  EXPECT_TRUE(bob->is_admin);
}

TEST(ApiKeys, KnowNoOtherKeyNorTheHashItself) {
  const std::string hash = Sha256Of("secret");
  const auto keys = ApiKeys::Parse("alice " + hash, "keys", {});
  ASSERT_TRUE(keys.ok());
  for (const std::string& key :
       {std::string(), std::string("secre"), std::string("secret "), hash, std::string(10'000, 's')}) {
    EXPECT_EQ(keys->Find(key), nullptr) << key;
  }
}

TEST(ApiKeys, ErrorsNameTheLineAndNeverQuoteWhatMayBeASecret) {
  const std::string hash = Sha256Of("x");
  const struct {
    std::string text;
    std::string part;
  } cases[] = {
      {"# fine\nalice", "keys:2: "},
      {"alice plainsecret", "SHA-256"},
      {"alice " + hash.substr(1), "64"},
      {absl::StrCat(hash, "= alice"), "name"},
      {absl::StrCat(std::string(65, 'a'), " ", hash), "64 letters"},
      {absl::StrCat("alice ", hash, " rate=-1"), "rate"},
      {absl::StrCat("alice ", hash, " rate=nan"), "rate"},
      {absl::StrCat("alice ", hash, " calls=1.5"), "calls"},
      {absl::StrCat("alice ", hash, " burst=2000000000"), "burst"},
      {absl::StrCat("alice ", hash, " root"), "admin"},
      {absl::StrCat("alice ", hash, "\nalice ", Sha256Of("y")), "second key alice"},
  };
  for (const auto& wrong : cases) {
    const auto keys = ApiKeys::Parse(wrong.text, "keys", {});
    ASSERT_FALSE(keys.ok()) << wrong.text;
    const std::string message(keys.status().message());
    EXPECT_THAT(message, HasSubstr(wrong.part));
    EXPECT_THAT(message, HasSubstr("keys:"));
    EXPECT_THAT(message, Not(HasSubstr("plainsecret")));
    EXPECT_THAT(message, Not(HasSubstr(hash)));
  }
}

// Such as one that somebody is just writing.
TEST(ApiKeys, OfAFileWithoutAnyAreAnError) {
  for (const char* text : {"", "# nobody yet\n"}) {
    EXPECT_THAT(std::string(ApiKeys::Parse(text, "keys", {}).status().message()), HasSubstr("keys holds no key"));
  }
}

}  // namespace
}  // namespace favor
