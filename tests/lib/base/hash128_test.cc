#include "favor/base/hash128.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstring>
#include <vector>

namespace favor {
namespace {

std::string OneShot(absl::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

TEST(FieldHasher, EqualsTheOneShotHashOfTheDocumentedEncoding) {
  FieldHasher hasher;
  hasher.AddBytes("favor").AddUint8(7).AddUint32(0x01020304).AddUint64(0x1122334455667788);
  const float values[] = {1.0f, -2.5f};
  hasher.AddFloats(values);
  // clang-format off
  const unsigned char encoded[] = {'f', 'a', 'v', 'o', 'r', 7, 4, 3, 2, 1,
                                   0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
                                   0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0};
  // clang-format on
  const absl::string_view bytes(reinterpret_cast<const char*>(encoded), sizeof(encoded));
  EXPECT_EQ(hasher.HexDigest128(), OneShot(bytes));
  EXPECT_EQ(hasher.Digest64(), XXH3_64bits(bytes.data(), bytes.size()));
}

TEST(FieldHasher, OfNothingIsTheHashOfNoBytes) { EXPECT_EQ(FieldHasher().HexDigest128(), OneShot("")); }

TEST(FieldHasher, DoesNotDependOnHowBytesWereCut) {
  const std::string bytes(100000, 'x');
  FieldHasher hasher;
  for (size_t at = 0; at < bytes.size(); at += 777) hasher.AddBytes(absl::string_view(bytes).substr(at, 777));
  EXPECT_EQ(hasher.HexDigest128(), OneShot(bytes));
  EXPECT_EQ(hasher.Digest64(), XXH3_64bits(bytes.data(), bytes.size()));
}

TEST(FieldHasher, GoesOnAfterADigest) {
  FieldHasher hasher;
  hasher.AddBytes("one");
  EXPECT_EQ(hasher.HexDigest128(), OneShot("one"));
  hasher.AddBytes("two");
  EXPECT_EQ(hasher.HexDigest128(), OneShot("onetwo"));
}

}  // namespace
}  // namespace favor
