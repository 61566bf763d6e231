#include "server/security/security_files.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor {
namespace {

using testing::Eventually;
using ::testing::HasSubstr;
using testing::Identity;
using testing::MakeIdentity;
using ::testing::Not;
using testing::Sha256Of;

class SecurityFilesTest : public ::testing::Test {
 protected:
  ~SecurityFilesTest() override { std::fclose(log_file_); }

  std::string LogText() const {
    EXPECT_TRUE(log_.Flush(absl::Seconds(60)));
    return testing::ReadWholeFile(dir_.File("log"));
  }
  static std::string Line(const std::string& name) { return absl::StrCat(name, " ", Sha256Of("key of " + name), "\n"); }

  testing::TempDir dir_;
  std::FILE* const log_file_ = std::fopen(dir_.File("log").c_str(), "a");
  const Log log_{fileno(log_file_), LogLevel::kInfo};
};

TEST_F(SecurityFilesTest, WithoutSettingsThereIsNothing) {
  const auto files = SecurityFiles::Load({}, &log_);
  ASSERT_TRUE(files.ok());
  EXPECT_EQ((*files)->certificates(), nullptr);
  EXPECT_EQ((*files)->keys(), nullptr);
}

TEST_F(SecurityFilesTest, FollowChangesOfTheKeysAndKeepTheOldOnesWhenTheNewAreWrong) {
  SecurityOptions options;
  options.api_keys = dir_.Write("keys", Line("alice"));
  options.reload_period = absl::Milliseconds(1);
  const auto files = SecurityFiles::Load(options, &log_);
  ASSERT_TRUE(files.ok()) << files.status();
  KeyRing* keys = (*files)->keys();
  const auto knows = [&](const std::string& name) { return keys->Check("Bearer key of " + name, false, "x").ok(); };
  EXPECT_TRUE(knows("alice"));
  dir_.Write("keys", Line("bob"));
  EXPECT_TRUE(Eventually([&] { return knows("bob") && !knows("alice"); }));
  dir_.Write("keys", "bob secretofbob");
  EXPECT_TRUE(Eventually([&] { return LogText().find("api_keys_not_reloaded") != std::string::npos; }));
  EXPECT_TRUE(knows("bob"));
  dir_.Write("keys", Line("carol"));
  EXPECT_TRUE(Eventually([&] { return knows("carol"); }));
  EXPECT_THAT(LogText(), Not(HasSubstr("secretofbob")));
  EXPECT_THAT(LogText(), Not(HasSubstr(Sha256Of("key of bob"))));
}

TEST_F(SecurityFilesTest, FollowACertificateOnceItsKeyHasFollowed) {
  const Identity first = MakeIdentity("first"), second = MakeIdentity("second");
  SecurityOptions options;
  options.certificates = {dir_.Write("certificate", first.certificate), dir_.Write("key", first.key), ""};
  options.reload_period = absl::Milliseconds(1);
  const auto files = SecurityFiles::Load(options, &log_);
  ASSERT_TRUE(files.ok()) << files.status();
  dir_.Write("certificate", second.certificate);
  EXPECT_TRUE(Eventually([&] { return LogText().find("certificates_not_reloaded") != std::string::npos; }));
  EXPECT_EQ((*files)->certificates()->Get().chain, first.certificate);
  dir_.Write("key", second.key);
  EXPECT_TRUE(Eventually([&] { return (*files)->certificates()->Get().chain == second.certificate; }));
  EXPECT_THAT(LogText(), Not(HasSubstr("PRIVATE")));
}

TEST_F(SecurityFilesTest, ReloadSoonDoesNotWaitForThePeriod) {
  SecurityOptions options;
  options.api_keys = dir_.Write("keys", Line("alice"));
  options.reload_period = absl::ZeroDuration();
  const auto files = SecurityFiles::Load(options, &log_);
  ASSERT_TRUE(files.ok());
  dir_.Write("keys", Line("bob"));
  (*files)->ReloadSoon();
  EXPECT_TRUE(Eventually([&] { return (*files)->keys()->Check("Bearer key of bob", false, "x").ok(); }));
}

}  // namespace
}  // namespace favor
