#ifndef FAVOR_SERVER_SECURITY_SECURITY_FILES_H_
#define FAVOR_SERVER_SECURITY_SECURITY_FILES_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/observability/log.h"
#include "server/security/api_keys.h"
#include "server/security/certificates.h"
#include "server/security/key_ring.h"

namespace favor {

struct SecurityOptions {
  CertificatePaths certificates;  // no TLS without a certificate
  std::string api_keys;           // path; empty: nobody needs a key
  KeyLimits key_limits;           // of keys whose line gives none
  absl::Duration reload_period;   // 0: only when told
};

// The certificates and keys of a server, read again when their files change. What cannot be used is left, with an error
// in the log, for what was in force before. Thread-safe.
class SecurityFiles {
 public:
  // Reads the files; an error names setting and file. The log must outlive the object.
  static absl::StatusOr<std::unique_ptr<SecurityFiles>> Load(const SecurityOptions& options, const Log* log);
  ~SecurityFiles();
  SecurityFiles(const SecurityFiles&) = delete;
  SecurityFiles& operator=(const SecurityFiles&) = delete;

  // Null without TLS.
  const CertificateStore* certificates() const { return certificates_.get(); }
  // Null when nobody needs a key.
  KeyRing* keys() const { return keys_.get(); }

  // Looks at the files soon, on a thread of its own.
  void ReloadSoon();

 private:
  SecurityFiles(const SecurityOptions& options, const Log* log) : options_(options), log_(log) {}

  void Watch();
  void ReloadCertificates();
  void ReloadKeys();
  // Logs that what a file holds cannot be used, once for every way in which it cannot.
  void Complain(const char* event, const absl::Status& status, std::string* last) const;

  const SecurityOptions options_;
  const Log* const log_;
  std::unique_ptr<CertificateStore> certificates_;
  std::unique_ptr<KeyRing> keys_;

  // Of the watching thread.
  std::string keys_text_;
  std::string certificates_complaint_;
  std::string keys_complaint_;

  absl::Mutex mutex_;
  bool look_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SECURITY_SECURITY_FILES_H_
