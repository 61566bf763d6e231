// Who may connect and who may call: TLS, client certificates, API keys, and how they are replaced while favord runs.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAttend[] = "/favor.v1.AttentionService/Attend";
constexpr char kInfo[] = "/favor.v1.InfoService/GetServerInfo";
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";
constexpr char kChannelz[] = "/grpc.channelz.v1.Channelz/GetServers";

// A new connection that trusts `authority`, and shows `client` where there is one.
std::shared_ptr<grpc::Channel> SecureChannel(const std::string& address, const Identity& authority,
                                             const Identity* client = nullptr) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = authority.certificate;
  if (client != nullptr) {
    options.pem_cert_chain = client->certificate;
    options.pem_private_key = client->key;
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::string& authorization = "") {
  grpc::ClientContext context;
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  return CallWithBytes(channel, method, "", {.deadline = absl::Seconds(20), .context = &context}).status;
}

class TlsServer : public ::testing::Test {
 protected:
  std::vector<std::string> Flags(const Identity& identity, const Identity* client_ca = nullptr) {
    std::vector<std::string> flags = {"--tls-certificate", dir_.Write("certificate", identity.certificate),
                                      "--tls-key",         dir_.Write("key", identity.key),
                                      "--reload-period",   "20ms"};
    if (client_ca != nullptr) flags.insert(flags.end(), {"--tls-client-ca", dir_.Write("ca", client_ca->certificate)});
    return flags;
  }

  TempDir dir_;
  const Identity authority_ = MakeIdentity("authority");
  const Identity other_authority_ = MakeIdentity("other authority");
};

TEST_F(TlsServer, ServesThoseWhoTrustItAndNobodyInPlaintext) {
  Favord favord({.flags = Flags(MakeIdentity("server", &authority_))});
  EXPECT_TRUE(Call(SecureChannel(favord.address(), authority_), kInfo).ok());
  EXPECT_FALSE(Call(SecureChannel(favord.address(), other_authority_), kInfo).ok());
  EXPECT_FALSE(Call(ConnectTo(favord.address()), kInfo).ok());
  EXPECT_NEAR(favord.Metrics().Sum("favor_tls_certificate_expiry_timestamp_seconds"),
              static_cast<double>(absl::ToUnixSeconds(absl::Now()) + 3600), 120);
}

TEST_F(TlsServer, ARotatedCertificateIsShownToNewConnectionsAndOldOnesGoOn) {
  Favord favord({.flags = Flags(MakeIdentity("server", &authority_))});
  const auto old_connection = SecureChannel(favord.address(), authority_);
  ASSERT_TRUE(Call(old_connection, kInfo).ok());
  const Identity next = MakeIdentity("server", &other_authority_);
  dir_.Write("certificate", next.certificate);
  dir_.Write("key", next.key);
  EXPECT_TRUE(Eventually([&] { return Call(SecureChannel(favord.address(), other_authority_), kInfo).ok(); }));
  EXPECT_FALSE(Call(SecureChannel(favord.address(), authority_), kInfo).ok());
  EXPECT_TRUE(Call(old_connection, kInfo).ok());
}

TEST_F(TlsServer, WithAClientAuthorityRefusesNoneExpiredAndForeignCertificates) {
  Favord favord({.flags = Flags(MakeIdentity("server", &authority_), &authority_)});
  const Identity good = MakeIdentity("client", &authority_);
  const Identity expired = MakeIdentity("client", &authority_, -absl::Minutes(1));
  const Identity foreign = MakeIdentity("client", &other_authority_);
  EXPECT_TRUE(Call(SecureChannel(favord.address(), authority_, &good), kInfo).ok());
  EXPECT_FALSE(Call(SecureChannel(favord.address(), authority_), kInfo).ok());
  EXPECT_FALSE(Call(SecureChannel(favord.address(), authority_, &expired), kInfo).ok());
  EXPECT_FALSE(Call(SecureChannel(favord.address(), authority_, &foreign), kInfo).ok());
  // A new list of those who may sign holds for the next connection.
  dir_.Write("ca", other_authority_.certificate);
  EXPECT_TRUE(Eventually([&] { return Call(SecureChannel(favord.address(), authority_, &foreign), kInfo).ok(); }));
  EXPECT_FALSE(Call(SecureChannel(favord.address(), authority_, &good), kInfo).ok());
}

TEST_F(TlsServer, TheCommandConnectsWithCertificatesAndAKey) {
  std::vector<std::string> flags = Flags(MakeIdentity("server", &authority_), &authority_);
  flags.insert(flags.end(), {"--api-keys", dir_.Write("keys", "me " + Sha256Of("mine"))});
  Favord favord({.flags = flags});
  const Identity client = MakeIdentity("client", &authority_);
  std::vector<std::string> arguments = {"info",
                                        "--endpoint",
                                        absl::StrReplaceAll(favord.address(), {{"127.0.0.1", "localhost"}}),
                                        "--ca",
                                        dir_.Write("server_ca", authority_.certificate),
                                        "--cert",
                                        dir_.Write("client_cert", client.certificate),
                                        "--key",
                                        dir_.Write("client_key", client.key),
                                        "--retries",
                                        "0"};
  const Finished without = RunFavor(arguments);
  EXPECT_NE(without.exit_code, 0);
  EXPECT_THAT(without.err, HasSubstr("UNAUTHENTICATED"));
  arguments.insert(arguments.end(), {"--api-key-file", dir_.Write("my_key", "mine\n")});
  const Finished with = RunFavor(arguments);
  EXPECT_EQ(with.exit_code, 0) << with.err;
}

class Keys : public ::testing::Test {
 protected:
  std::string Write(const std::string& text) { return dir_.Write("keys", text); }
  static std::string Line(const std::string& name, const std::string& options = "") {
    return absl::StrCat(name, " ", Sha256Of("key-of-" + name), " ", options, "\n");
  }
  std::vector<std::string> Flags(const std::string& text) {
    return {"--api-keys", Write(text), "--reload-period", "0s"};
  }

  TempDir dir_;
};

TEST_F(Keys, AreAskedOfAllButHealth) {
  Favord favord({.flags = Flags(Line("alice"))});
  for (const char* method : {kInfo, kAttend, kChannelz, "/no.such.Service/Method"}) {
    EXPECT_EQ(Call(favord.channel(), method).error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    EXPECT_EQ(Call(favord.channel(), method, "Bearer key-of-bob").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
  EXPECT_TRUE(Call(favord.channel(), kHealth).ok());
  EXPECT_TRUE(Call(favord.channel(), kInfo, "Bearer key-of-alice").ok());
  EXPECT_TRUE(Call(favord.channel(), kChannelz, "Bearer key-of-alice").ok());
  EXPECT_EQ(favord.Metrics().Sum("favor_rejected_total", {{"reason", "unauthenticated"}}), 8);
  EXPECT_EQ(favord.Stop(), 0);
  const std::string log = favord.process().err().text();
  EXPECT_THAT(log, HasSubstr("\"key\":\"alice\""));
  EXPECT_THAT(log, HasSubstr("\"event\":\"refused\""));
  for (const std::string& secret : {std::string("key-of-"), Sha256Of("key-of-alice")}) {
    EXPECT_THAT(log, Not(HasSubstr(secret)));
  }
}

TEST_F(Keys, AreRevokedAndAddedAtSighup) {
  Favord favord({.flags = Flags(Line("alice"))});
  ASSERT_TRUE(Call(favord.channel(), kInfo, "Bearer key-of-alice").ok());
  Write(Line("bob"));
  favord.process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return Call(favord.channel(), kInfo, "Bearer key-of-bob").ok(); }));
  EXPECT_EQ(Call(favord.channel(), kInfo, "Bearer key-of-alice").error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(Keys, LoadingModelsTakesAnAdministrators) {
  std::vector<std::string> flags = Flags(Line("alice") + Line("ops", "admin"));
  flags.insert(flags.end(), {"--model-admin", "true"});
  Favord favord({.flags = flags});
  const char kLoad[] = "/favor.v1.ModelService/LoadModel";
  EXPECT_EQ(Call(favord.channel(), kLoad, "Bearer key-of-alice").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Call(favord.channel(), kLoad, "Bearer key-of-ops").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(favord.Metrics().Sum("favor_rejected_total", {{"reason", "forbidden"}}), 1);
}

TEST_F(Keys, LimitsSayWhenToComeBack) {
  Favord favord({.flags = Flags(Line("alice", "rate=0.001"))});
  EXPECT_TRUE(Call(favord.channel(), kInfo, "Bearer key-of-alice").ok());
  const grpc::Status refused = Call(favord.channel(), kInfo, "Bearer key-of-alice");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_TRUE(RetryDelayOf(refused).has_value());
  EXPECT_GT(*RetryDelayOf(refused), absl::Seconds(900));
  EXPECT_EQ(favord.Metrics().Sum("favor_rejected_total", {{"reason", "key_rate"}}), 1);
}

TEST_F(Keys, ARefusedCallIsNotReadFirst) {
  Favord favord({.flags = Flags(Line("alice"))});
  const int64_t before = favord.PeakResidentBytes();
  const std::string large(200 << 20, 'x');
  const auto answer = CallWithBytes(favord.channel(), kAttend, large);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_LT(favord.PeakResidentBytes() - before, 40 << 20);
}

TEST(Access, OfStandardServicesIsASetting) {
  Favord favord({.flags = {"--health-access", "off", "--channelz-access", "off"}});
  EXPECT_EQ(Call(favord.channel(), kHealth).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(Call(favord.channel(), kChannelz).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Call(favord.channel(), kInfo).ok());
}

TEST(Exposure, OfAnAddressOfTheNetworkIsWarnedOf) {
  Favord local, exposed({.addresses = {"0.0.0.0:0"}});
  EXPECT_THAT(local.process().err().text(), Not(HasSubstr("exposed_address")));
  EXPECT_THAT(exposed.process().err().text(), HasSubstr("\"event\":\"exposed_address\""));
  EXPECT_THAT(exposed.process().err().text(), Not(HasSubstr("load and unload models")));
  Favord open({.flags = {"--model-admin", "true"}, .addresses = {"0.0.0.0:0"}});
  EXPECT_THAT(open.process().err().text(), HasSubstr("whoever may call may load and unload models"));
}

}  // namespace
}  // namespace favor::testing
