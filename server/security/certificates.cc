#include "server/security/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/security/small_file.h"

namespace favor {
namespace {

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using X509Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

Bio Open(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// OpenSSL would ask at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status Wrong(absl::string_view setting, const std::string& path, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(setting, " ", path, " ", what));
}

absl::Time ExpiryOf(const X509& certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &time) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&time));
}

// The first certificate of the text; null when there is none.
X509Certificate FirstCertificate(const std::string& pem) {
  const Bio bio = Open(pem);
  return X509Certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
}

absl::Status CheckKey(const CertificatePaths& paths, const Certificates& certificates, X509* certificate) {
  const Bio bio = Open(certificates.key);
  const PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return Wrong("tls-key", paths.key, "holds no private key in PEM without a password");
  if (X509_check_private_key(certificate, key.get()) == 1) return absl::OkStatus();
  return Wrong("tls-key", paths.key, absl::StrCat("is not the key of the certificate in ", paths.certificate));
}

}  // namespace

absl::StatusOr<Certificates> ReadCertificates(const CertificatePaths& paths, absl::Time now) {
  Certificates certificates;
  const struct {
    const char* setting;
    const std::string& path;
    std::string* text;
  } files[] = {{"tls-certificate", paths.certificate, &certificates.chain},
               {"tls-key", paths.key, &certificates.key},
               {"tls-client-ca", paths.client_ca, &certificates.client_ca}};
  for (const auto& file : files) {
    if (file.path.empty()) continue;
    absl::StatusOr<std::string> text = ReadSmallFile(file.setting, file.path);
    if (!text.ok()) return text.status();
    *file.text = *std::move(text);
  }
  const X509Certificate certificate = FirstCertificate(certificates.chain);
  if (certificate == nullptr) return Wrong("tls-certificate", paths.certificate, "holds no certificate in PEM");
  if (absl::Status status = CheckKey(paths, certificates, certificate.get()); !status.ok()) return status;
  certificates.expiry = ExpiryOf(*certificate);
  if (certificates.expiry <= now) {
    return Wrong(
        "tls-certificate", paths.certificate,
        absl::StrCat("has expired at ", absl::FormatTime(absl::RFC3339_sec, certificates.expiry, absl::UTCTimeZone())));
  }
  if (!paths.client_ca.empty() && FirstCertificate(certificates.client_ca) == nullptr) {
    return Wrong("tls-client-ca", paths.client_ca, "holds no certificate in PEM");
  }
  ERR_clear_error();
  return certificates;
}

}  // namespace favor
