#include "server/rpc/credentials.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"
#include "grpc/slice.h"

namespace favor {
namespace {

absl::string_view TextOf(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

// gRPC asks this when a call's headers are there. Runs on a thread of gRPC's; microseconds.
void ProcessHeaders(void* doorkeeper, grpc_auth_context*, const grpc_metadata* headers, size_t num_headers,
                    grpc_process_auth_metadata_done_cb done, void* user_data) {
  absl::string_view path;
  absl::string_view authorization;
  bool is_ambiguous = false;
  for (size_t i = 0; i < num_headers; ++i) {
    const absl::string_view name = TextOf(headers[i].key);
    if (name == ":path") path = TextOf(headers[i].value);
    if (name == "authorization") {
      is_ambiguous = is_ambiguous || !authorization.empty();
      authorization = TextOf(headers[i].value);
    }
  }
  if (is_ambiguous) authorization = {};
  const absl::Status status = static_cast<Doorkeeper*>(doorkeeper)->Admit(path, authorization);
  const std::string message(status.message());
  done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()), message.c_str());
}

// grpcpp's own credentials neither reload certificates nor look at headers without TLS; those of the core below it do.
class CoreCredentials : public grpc::ServerCredentials {
 public:
  CoreCredentials(const CertificateStore* certificates, Doorkeeper* doorkeeper) : certificates_(certificates) {
    credentials_ = certificates == nullptr ? grpc_insecure_server_credentials_create() : MakeTls();
    if (doorkeeper == nullptr) return;
    grpc_server_credentials_set_auth_metadata_processor(credentials_, {ProcessHeaders, nullptr, doorkeeper});
  }
  ~CoreCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  grpc_server_credentials* MakeTls() {
    const auto request = certificates_->Get().client_ca.empty()
                             ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                             : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, &Fetch, this));
  }

  // gRPC asks this before every handshake, one at a time.
  static grpc_ssl_certificate_config_reload_status Fetch(void* credentials,
                                                         grpc_ssl_server_certificate_config** config) {
    auto* self = static_cast<CoreCredentials*>(credentials);
    Certificates certificates;
    if (!self->certificates_->GetNewer(&self->version_, &certificates))
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {certificates.key.c_str(), certificates.chain.c_str()};
    // gRPC insists on a list of authorities; where clients are not asked for a certificate nobody looks at it.
    const std::string& client_ca = certificates.client_ca.empty() ? certificates.chain : certificates.client_ca;
    *config = grpc_ssl_server_certificate_config_create(client_ca.c_str(), &pair, 1);
    return *config == nullptr ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  const CertificateStore* const certificates_;
  int64_t version_ = 0;
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const CertificateStore* certificates, Doorkeeper* doorkeeper) {
  return std::make_shared<CoreCredentials>(certificates, doorkeeper);
}

}  // namespace favor
