#include "client/cli/connection_flags.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "favor/base/version.h"

namespace favor::cli {

void ConnectionFlags::AddTo(FlagSet* flags) {
  flags->BeginSection("Connection (each also an environment variable: FAVOR_ENDPOINT, FAVOR_CA ...)");
  flags->Add("endpoint", "ADDRESS", absl::StrCat("host:port, dns:///host:port or unix:/path. Default ", endpoint, "."),
             &endpoint);
  flags->Add("tls", "Encrypt; also implied by the four flags below.", &tls);
  flags->Add("ca", "FILE", "PEM certificates that may have signed the server's. Default: those of the system.",
             &tls_options.ca_file);
  flags->Add("cert", "FILE", "PEM certificate to show to the server; needs --key.", &tls_options.cert_file);
  flags->Add("key", "FILE", "PEM private key of --cert.", &tls_options.key_file);
  flags->Add("server-name", "NAME", "Name that the server's certificate must have. Default: the endpoint's host.",
             &tls_options.server_name);
  flags->Add("api-key-file", "FILE", "Send the key in this file as authorization: Bearer.", &api_key_file);
  flags->Add("priority", "P", "Who is refused and who waits when the server is busy. Default: normal, or the key's.",
             &priority);
  flags->Add("deadline", "TIME",
             absl::StrCat("Give up after this long, retries included; inf: never. Default ",
                          absl::FormatDuration(deadline), "."),
             &deadline);
  flags->Add(
      "retries", "N",
      absl::StrCat("Further attempts when the server is UNAVAILABLE or says when to come back. Default ", retries, "."),
      &retries);
  flags->Add("json", "Print JSON, errors included.", &json);
  flags->ReadEnvironment([](const char* name) { return std::getenv(name); });
}

absl::StatusOr<client::ClientOptions> ToClientOptions(const ConnectionFlags& flags) {
  client::ClientOptions options;
  options.endpoint = flags.endpoint;
  const client::TlsOptions& tls = flags.tls_options;
  if (flags.tls || !tls.ca_file.empty() || !tls.cert_file.empty() || !tls.key_file.empty() ||
      !tls.server_name.empty()) {
    options.tls = tls;
  }
  if (!flags.api_key_file.empty()) {
    std::ifstream file(flags.api_key_file);
    std::getline(file, options.api_key, '\0');  // to the end
    if (!file.is_open() || file.bad()) {
      return absl::NotFoundError(absl::StrCat("--api-key-file: cannot read ", flags.api_key_file));
    }
    absl::StripAsciiWhitespace(&options.api_key);
    if (options.api_key.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--api-key-file: ", flags.api_key_file, " has no key"));
    }
  }
  options.priority = flags.priority;
  options.deadline = flags.deadline;
  options.retries.max_retries = static_cast<int>(std::min<uint32_t>(flags.retries, INT32_MAX));
  options.user_agent = absl::StrCat("favor/", kVersion);
  return options;
}

absl::StatusOr<client::Client> Connect(const ConnectionFlags& flags) {
  const absl::StatusOr<client::ClientOptions> options = ToClientOptions(flags);
  if (!options.ok()) return options.status();
  return client::Client::Connect(*options);
}

void ServerListFlags::AddTo(FlagSet* flags, const std::string& help) {
  flags->BeginSection("Servers");
  flags->Add("address", "ADDRESS,ADDRESS,...", help, &addresses);
}

absl::Status ServerListFlags::Validate() const {
  if (addresses.empty()) return absl::OkStatus();
  for (const absl::string_view address : absl::StrSplit(addresses, ',')) {
    if (absl::StripAsciiWhitespace(address).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--address is \"", addresses, "\", it must be addresses with commas between them"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> ServerListFlags::Addresses(const ConnectionFlags& connection) const {
  if (addresses.empty()) return {connection.endpoint};
  std::vector<std::string> list;
  for (const absl::string_view address : absl::StrSplit(addresses, ',')) {
    list.emplace_back(absl::StripAsciiWhitespace(address));
  }
  return list;
}

}  // namespace favor::cli
