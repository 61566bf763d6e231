#include "server/security/certificates.h"

#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor {
namespace {

using ::testing::HasSubstr;
using testing::Identity;
using testing::MakeIdentity;
using ::testing::Not;

class ReadCertificatesTest : public ::testing::Test {
 protected:
  CertificatePaths Write(const Identity& identity, const std::string& client_ca = "") {
    CertificatePaths paths{dir_.Write("certificate", identity.certificate), dir_.Write("key", identity.key), ""};
    if (!client_ca.empty()) paths.client_ca = dir_.Write("ca", client_ca);
    return paths;
  }
  std::string ErrorOf(const CertificatePaths& paths) {
    const auto read = ReadCertificates(paths, absl::Now());
    EXPECT_FALSE(read.ok());
    return std::string(read.status().message());
  }

  testing::TempDir dir_;
  const Identity authority_ = MakeIdentity("authority");
  const Identity server_ = MakeIdentity("server", &authority_);
};

TEST_F(ReadCertificatesTest, GivesTheTextsAndTheExpiry) {
  const auto read = ReadCertificates(Write(server_, authority_.certificate), absl::Now());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->chain, server_.certificate);
  EXPECT_EQ(read->key, server_.key);
  EXPECT_EQ(read->client_ca, authority_.certificate);
  EXPECT_NEAR(absl::ToDoubleMinutes(read->expiry - absl::Now()), 60, 1);
}

TEST_F(ReadCertificatesTest, RefusesAKeyOfAnotherCertificate) {
  const std::string error = ErrorOf(Write({server_.certificate, authority_.key}));
  EXPECT_THAT(error, HasSubstr("tls-key " + dir_.File("key") + " is not the key"));
  EXPECT_THAT(error, Not(HasSubstr("BEGIN")));
}

TEST_F(ReadCertificatesTest, RefusesAnExpiredCertificate) {
  EXPECT_THAT(ErrorOf(Write(MakeIdentity("late", &authority_, -absl::Minutes(1)))), HasSubstr("has expired at"));
}

TEST_F(ReadCertificatesTest, RefusesWhatIsNoPem) {
  EXPECT_THAT(ErrorOf(Write({"nothing", server_.key})), HasSubstr("tls-certificate"));
  EXPECT_THAT(ErrorOf(Write({server_.certificate, "nothing"})), HasSubstr("tls-key"));
  EXPECT_THAT(ErrorOf(Write(server_, "nothing")), HasSubstr("tls-client-ca"));
}

TEST_F(ReadCertificatesTest, RefusesFilesThatAreNotThere) {
  CertificatePaths paths = Write(server_);
  paths.key = dir_.File("missing");
  EXPECT_THAT(ErrorOf(paths), HasSubstr("tls-key: cannot read " + paths.key));
  paths.key = dir_.path();  // a directory opens
  EXPECT_THAT(ErrorOf(paths), HasSubstr("tls-key"));
}

TEST(CertificateStore, TellsEachReaderOnceWhatIsNew) {
  CertificateStore store({"first", "key", "", absl::InfiniteFuture()});
  int64_t version = 0;
  Certificates certificates;
  EXPECT_TRUE(store.GetNewer(&version, &certificates));
  EXPECT_EQ(certificates.chain, "first");
  EXPECT_FALSE(store.GetNewer(&version, &certificates));
  store.Replace({"second", "key", "", absl::InfiniteFuture()});
  EXPECT_TRUE(store.GetNewer(&version, &certificates));
  EXPECT_EQ(certificates.chain, "second");
}

}  // namespace
}  // namespace favor
