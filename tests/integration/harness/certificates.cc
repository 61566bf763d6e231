#include "tests/integration/harness/certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <memory>

#include "absl/strings/escaping.h"

namespace favor::testing {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

std::shared_ptr<BIO> Memory(const std::string& text = "") {
  BIO* bio = text.empty() ? BIO_new(BIO_s_mem()) : BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  return {bio, BIO_free};
}

std::string TextOf(BIO* bio) {
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

void AddExtension(X509* certificate, int type, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, type, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate Unsigned(const std::string& common_name, EVP_PKEY* key, bool may_sign, absl::Duration valid_for) {
  const Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  // An expired one has begun before it ended.
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -86400);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), absl::ToInt64Seconds(valid_for));
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  AddExtension(certificate.get(), NID_basic_constraints, may_sign ? "critical,CA:TRUE" : "critical,CA:FALSE");
  AddExtension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  return certificate;
}

}  // namespace

Identity MakeIdentity(const std::string& common_name, const Identity* issuer, absl::Duration valid_for) {
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate certificate = Unsigned(common_name, key.get(), issuer == nullptr, valid_for);
  if (issuer == nullptr) {
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    X509_sign(certificate.get(), key.get(), EVP_sha256());
  } else {
    const Certificate signer(PEM_read_bio_X509(Memory(issuer->certificate).get(), nullptr, nullptr, nullptr),
                             X509_free);
    const Key signing_key(PEM_read_bio_PrivateKey(Memory(issuer->key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer.get()));
    X509_sign(certificate.get(), signing_key.get(), EVP_sha256());
  }
  Identity identity;
  const auto certificate_text = Memory();
  PEM_write_bio_X509(certificate_text.get(), certificate.get());
  identity.certificate = TextOf(certificate_text.get());
  const auto key_text = Memory();
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  identity.key = TextOf(key_text.get());
  return identity;
}

std::string Sha256Of(absl::string_view text) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return absl::BytesToHexString(hash);
}

}  // namespace favor::testing
