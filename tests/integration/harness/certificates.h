#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_CERTIFICATES_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_CERTIFICATES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace favor::testing {

// A certificate and its key, as PEM texts.
struct Identity {
  std::string certificate;
  std::string key;
};

// Made on the spot, since a certificate in a file expires some day. `issuer` null: signed by itself, and one that may
// sign others. For the name "localhost" and the address 127.0.0.1. `common_name` tells it apart from others.
Identity MakeIdentity(const std::string& common_name, const Identity* issuer = nullptr,
                      absl::Duration valid_for = absl::Hours(1));

// SHA-256 in hexadecimal.
std::string Sha256Of(absl::string_view text);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_CERTIFICATES_H_
