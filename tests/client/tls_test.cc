#include <grpcpp/security/server_credentials.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "tests/client/fake_server.h"
#include "tests/client/test_certificate.h"

namespace favor::client {
namespace {

using favor::testing::FakeServer;
using favor::testing::kTestCertificate;
using favor::testing::kTestKey;

// A server with the test certificate that asks its clients for the same one.
class Tls : public ::testing::Test {
 protected:
  Tls() : server_(Credentials()) {}

  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / absl::StrCat("favor_tls_", getpid());
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "cert.pem") << kTestCertificate;
    std::ofstream(folder_ / "key.pem") << kTestKey;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::shared_ptr<grpc::ServerCredentials> Credentials() {
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = kTestCertificate;
    options.pem_key_cert_pairs.push_back({kTestKey, kTestCertificate});
    return grpc::SslServerCredentials(options);
  }

  TlsOptions Complete() const {
    return {.ca_file = folder_ / "cert.pem",
            .cert_file = folder_ / "cert.pem",
            .key_file = folder_ / "key.pem",
            .server_name = "favord.test"};
  }

  absl::Status Call(const std::optional<TlsOptions>& tls) const {
    const absl::StatusOr<Client> client =
        Client::Connect({.endpoint = server_.endpoint(), .tls = tls, .retries = {.max_retries = 0}});
    return client.ok() ? client->GetServerInfo().status() : client.status();
  }

  std::filesystem::path folder_;
  FakeServer server_;
};

TEST_F(Tls, BothSidesProveWhoTheyAre) { EXPECT_TRUE(Call(Complete()).ok()) << Call(Complete()); }

TEST_F(Tls, TheServerMustHaveTheExpectedName) {
  TlsOptions options = Complete();
  options.server_name = "";  // 127.0.0.1, which the certificate does not name
  EXPECT_TRUE(absl::IsUnavailable(Call(options)));
}

TEST_F(Tls, TheServerMustBeSignedByTheGivenAuthority) {
  TlsOptions options = Complete();
  options.ca_file = "";
  EXPECT_TRUE(absl::IsUnavailable(Call(options)));
}

TEST_F(Tls, AFileOfTheOtherKindIsNamed) {
  const auto refused = [](const std::string& option, const std::filesystem::path& file, const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat(option, ": ", file.string(), " has no ", what));
  };
  TlsOptions options = Complete();
  options.ca_file = folder_ / "key.pem";
  EXPECT_EQ(Call(options), refused("tls.ca_file", folder_ / "key.pem", "certificate"));
  options = Complete();
  std::swap(options.cert_file, options.key_file);
  EXPECT_EQ(Call(options), refused("tls.cert_file", folder_ / "key.pem", "certificate"));
  options = Complete();
  options.key_file = folder_ / "cert.pem";
  EXPECT_EQ(Call(options), refused("tls.key_file", folder_ / "cert.pem", "private key"));
}

TEST_F(Tls, AClientWithoutACertificateIsTurnedAway) {
  TlsOptions options = Complete();
  options.cert_file = options.key_file = "";
  EXPECT_FALSE(Call(options).ok());
}

TEST_F(Tls, PlaintextIsTurnedAway) { EXPECT_FALSE(Call(std::nullopt).ok()); }

}  // namespace
}  // namespace favor::client
