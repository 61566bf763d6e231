#include "server/security/security_files.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/security/small_file.h"

namespace favor {
namespace {

std::string Written(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

}  // namespace

absl::StatusOr<std::unique_ptr<SecurityFiles>> SecurityFiles::Load(const SecurityOptions& options, const Log* log) {
  std::unique_ptr<SecurityFiles> files(new SecurityFiles(options, log));
  if (!options.certificates.certificate.empty()) {
    absl::StatusOr<Certificates> certificates = ReadCertificates(options.certificates, absl::Now());
    if (!certificates.ok()) return certificates.status();
    files->certificates_ = std::make_unique<CertificateStore>(*std::move(certificates));
  }
  if (!options.api_keys.empty()) {
    absl::StatusOr<std::string> text = ReadSmallFile("api-keys", options.api_keys);
    if (!text.ok()) return text.status();
    absl::StatusOr<ApiKeys> keys = ApiKeys::Parse(*text, options.api_keys, options.key_limits);
    if (!keys.ok()) return keys.status();
    files->keys_ = std::make_unique<KeyRing>(*std::move(keys));
    files->keys_text_ = *std::move(text);
  }
  if (files->certificates_ != nullptr || files->keys_ != nullptr) {
    files->thread_ = std::thread([files = files.get()] { files->Watch(); });
  }
  return files;
}

SecurityFiles::~SecurityFiles() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void SecurityFiles::ReloadSoon() {
  const absl::MutexLock lock(&mutex_);
  look_ = true;
}

void SecurityFiles::Watch() {
  const absl::Duration period =
      options_.reload_period > absl::ZeroDuration() ? options_.reload_period : absl::InfiniteDuration();
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return look_ || stop_; };
      mutex_.AwaitWithTimeout(absl::Condition(&wanted), period);
      if (stop_) return;
      look_ = false;
    }
    if (certificates_ != nullptr) ReloadCertificates();
    if (keys_ != nullptr) ReloadKeys();
  }
}

void SecurityFiles::ReloadCertificates() {
  // A certificate and its key are two files: between the two writes they do not fit, and the next look finds them
  // whole.
  absl::StatusOr<Certificates> certificates = ReadCertificates(options_.certificates, absl::Now());
  if (!certificates.ok()) {
    return Complain("certificates_not_reloaded", certificates.status(), &certificates_complaint_);
  }
  certificates_complaint_.clear();
  if (*certificates == certificates_->Get()) return;
  log_->Write(LogLevel::kInfo, "certificates_reloaded", {{"expiry", Written(certificates->expiry)}});
  certificates_->Replace(*std::move(certificates));
}

void SecurityFiles::ReloadKeys() {
  absl::StatusOr<std::string> text = ReadSmallFile("api-keys", options_.api_keys);
  if (!text.ok()) return Complain("api_keys_not_reloaded", text.status(), &keys_complaint_);
  if (*text == keys_text_) {
    keys_complaint_.clear();
    return;
  }
  absl::StatusOr<ApiKeys> keys = ApiKeys::Parse(*text, options_.api_keys, options_.key_limits);
  if (!keys.ok()) return Complain("api_keys_not_reloaded", keys.status(), &keys_complaint_);
  keys_complaint_.clear();
  keys_text_ = *std::move(text);
  const size_t num_keys = keys->keys().size();
  keys_->Replace(*std::move(keys));
  log_->Write(LogLevel::kInfo, "api_keys_reloaded", {{"keys", num_keys}});
}

void SecurityFiles::Complain(const char* event, const absl::Status& status, std::string* last) const {
  if (*last == status.message()) return;
  *last = std::string(status.message());
  log_->Write(LogLevel::kError, event, {{"message", *last}});
}

}  // namespace favor
