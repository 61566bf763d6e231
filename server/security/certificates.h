#ifndef FAVOR_SERVER_SECURITY_CERTIFICATES_H_
#define FAVOR_SERVER_SECURITY_CERTIFICATES_H_

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace favor {

struct CertificatePaths {
  std::string certificate;  // empty: no TLS
  std::string key;
  std::string client_ca;  // empty: clients need no certificate
};

// What a TLS server shows and whom it trusts, as PEM texts.
struct Certificates {
  std::string chain;
  std::string key;
  std::string client_ca;
  absl::Time expiry;  // of the server's own certificate

  bool operator==(const Certificates&) const = default;
};

// Reads the files and checks that they are what they should be, that the key belongs to the certificate and that this
// has not expired. Errors name setting and file and never quote the contents.
absl::StatusOr<Certificates> ReadCertificates(const CertificatePaths& paths, absl::Time now);

// The certificates in force, replaced while connections are made. Thread-safe.
class CertificateStore {
 public:
  explicit CertificateStore(Certificates certificates) : certificates_(std::move(certificates)) {}

  void Replace(Certificates certificates) {
    const absl::MutexLock lock(&mutex_);
    certificates_ = std::move(certificates);
    ++version_;
  }

  Certificates Get() const {
    const absl::MutexLock lock(&mutex_);
    return certificates_;
  }
  // The certificates and true when they are not those of `*version`, which then becomes theirs. Starts at 0.
  bool GetNewer(int64_t* version, Certificates* certificates) const {
    const absl::MutexLock lock(&mutex_);
    if (*version == version_) return false;
    *version = version_;
    *certificates = certificates_;
    return true;
  }

 private:
  mutable absl::Mutex mutex_;
  Certificates certificates_ ABSL_GUARDED_BY(mutex_);
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SECURITY_CERTIFICATES_H_
