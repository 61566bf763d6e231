#include "client/transport/channel.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace favor::client {
namespace {

// `what` is what it must have, as PEM names it in small letters: "certificate".
absl::StatusOr<std::string> ReadPem(absl::string_view option, absl::string_view what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string pem;
  // An empty file is no error of reading, and errno says nothing of it.
  for (char buffer[4096]; file.read(buffer, sizeof(buffer)) || file.gcount() > 0;) {
    pem.append(buffer, static_cast<size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    return absl::ErrnoToStatus(errno != 0 ? errno : EIO, absl::StrCat(option, ": cannot read ", path));
  }
  if (!absl::StrContains(pem, "-----BEGIN ")) {
    return absl::InvalidArgumentError(absl::StrCat(option, ": ", path, " is not a PEM file"));
  }
  // "X509 CERTIFICATE" and "RSA PRIVATE KEY" are kinds of them.
  if (!absl::StrContains(pem, absl::StrCat(absl::AsciiStrToUpper(what), "-----"))) {
    return absl::InvalidArgumentError(absl::StrCat(option, ": ", path, " has no ", what));
  }
  return pem;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const TlsOptions& tls) {
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    return absl::InvalidArgumentError("tls.cert_file and tls.key_file go together: one of them is empty");
  }
  grpc::SslCredentialsOptions options;
  const struct {
    absl::string_view option, what;
    const std::string& path;
    std::string* pem;
  } files[] = {{"tls.ca_file", "certificate", tls.ca_file, &options.pem_root_certs},
               {"tls.cert_file", "certificate", tls.cert_file, &options.pem_cert_chain},
               {"tls.key_file", "private key", tls.key_file, &options.pem_private_key}};
  for (const auto& file : files) {
    if (file.path.empty()) continue;
    absl::StatusOr<std::string> pem = ReadPem(file.option, file.what, file.path);
    if (!pem.ok()) return pem.status();
    *file.pem = *std::move(pem);
  }
  return grpc::SslCredentials(options);
}

grpc::ChannelArguments Arguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  std::string user_agent = options.user_agent;
  absl::StrAppend(&user_agent, user_agent.empty() ? "" : " ", std::string(UserAgent()));
  arguments.SetUserAgentPrefix(user_agent);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetMaxReceiveMessageSize(-1);
  // We retry ourselves: gRPC keeps no more than 256 KiB of a request for that, and knows no RetryInfo. And with gRPC
  // 1.51's retries a stream that ends while its first answer is on its way never ends: see half_answer_test.cc.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A connection of our own: two clients with the same options are two connections.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Has the kernel give up a connection whose peer takes nothing for so long (TCP_USER_TIMEOUT), which gRPC cannot do
  // itself in the middle of a write. It comes only with keep-alive, whose pings are by default too rare to matter.
  const absl::Duration keepalive_time = std::clamp(options.keepalive_time, absl::Seconds(1), absl::Hours(24));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(absl::ToInt64Milliseconds(keepalive_time)));
  // By default the third ping of a silent call would not be sent.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  // Between two attempts to connect; gRPC's own default of 1 s would fail quicker retries without trying.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // How long one attempt may take, whatever its name says: three round trips to the other side of the world, or a
  // server that is busy with a thousand others. With 100 ms, one that took longer to connect to was never reached.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  // Names are not asked for a service configuration, which we would not use.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  if (IsLocal(options.endpoint)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.tls && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  return arguments;
}

}  // namespace

bool IsLocal(absl::string_view endpoint) {
  for (const absl::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&endpoint, scheme)) break;
  }
  for (const absl::string_view prefix : {"unix:", "unix-abstract:", "127.", "localhost:", "[::1]:"}) {
    if (absl::StartsWith(endpoint, prefix)) return true;
  }
  return false;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ClientOptions& options) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.tls) {
    absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> tls = Credentials(*options.tls);
    if (!tls.ok()) return tls.status();
    credentials = *std::move(tls);
  }
  return grpc::CreateCustomChannel(options.endpoint, credentials, Arguments(options));
}

}  // namespace favor::client
