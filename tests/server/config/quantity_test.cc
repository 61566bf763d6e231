#include "server/config/quantity.h"

#include <string>

#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(ParseBytes, TakesPlainNumbersAndUnits) {
  EXPECT_EQ(*ParseBytes("0"), 0);
  EXPECT_EQ(*ParseBytes("268435456"), 268435456);
  EXPECT_EQ(*ParseBytes("256MiB"), 268435456);
  EXPECT_EQ(*ParseBytes("1.5 GiB"), 1610612736);
  EXPECT_EQ(*ParseBytes("12B"), 12);
  EXPECT_EQ(*ParseBytes("2TiB"), int64_t{2} << 40);
  EXPECT_EQ(*ParseBytes("1.3GiB"), 1395864371);  // and a fifth of a byte
}

TEST(ParseBytes, RefusesEverythingElse) {
  for (const char* text : {"", "MiB", "-1", "1MB", "1mib", "nan", "inf", "1e30", "5 5", "0x10MiB"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseBytes(text).status())) << text;
  }
}

TEST(FormatBytes, IsReadBackAsTheSameNumber) {
  for (const int64_t bytes : {int64_t{0}, int64_t{1}, int64_t{1023}, int64_t{1} << 10, int64_t{3} << 29,
                              (int64_t{1} << 31) - 1, int64_t{1} << 45}) {
    EXPECT_EQ(*ParseBytes(FormatBytes(bytes)), bytes) << FormatBytes(bytes);
  }
  EXPECT_EQ(FormatBytes(256 << 20), "256MiB");
}

TEST(ParseDelay, RefusesNegativeInfiniteAndUnitless) {
  EXPECT_EQ(*ParseDelay("1m30s"), absl::Seconds(90));
  EXPECT_EQ(*ParseDelay("0"), absl::ZeroDuration());
  for (const char* text : {"", "5", "-1s", "inf", "5 s", "soon"}) EXPECT_FALSE(ParseDelay(text).ok()) << text;
}

TEST(CheckAddress, TakesHostPortAndUnixSockets) {
  for (const char* good : {"127.0.0.1:50051", "localhost:0", "[::1]:65535", "0.0.0.0:1"}) {
    EXPECT_TRUE(CheckAddress(good, false).ok()) << good;
  }
  for (const char* bad :
       {"", "localhost", ":50051", "localhost:", "localhost:65536", "localhost:-1", "host:port", "unix:/run/x"}) {
    EXPECT_FALSE(CheckAddress(bad, false).ok()) << bad;
  }
  for (const char* bad : {"::1:50051", "fe80::1:0", "[::1:50051"}) EXPECT_FALSE(CheckAddress(bad, true).ok()) << bad;
  EXPECT_TRUE(CheckAddress("unix:/run/favord.sock", true).ok());
  EXPECT_TRUE(CheckAddress("unix:/" + std::string(106, 'x'), true).ok());
  EXPECT_FALSE(CheckAddress("unix:/" + std::string(107, 'x'), true).ok());
  EXPECT_FALSE(CheckAddress("unix:", true).ok());
}

TEST(UnixPath, IsThatOfEitherForm) {
  EXPECT_EQ(UnixPath("unix:/run/x"), "/run/x");
  EXPECT_EQ(UnixPath("unix:///run/x"), "/run/x");
  EXPECT_EQ(UnixPath("unix:x"), "x");
  EXPECT_EQ(UnixPath("127.0.0.1:1"), "");
}

TEST(Collide, SamePortsOfOneInterface) {
  EXPECT_TRUE(Collide("127.0.0.1:1", "127.0.0.1:1"));
  EXPECT_TRUE(Collide("127.0.0.1:1", "0.0.0.0:1"));
  EXPECT_TRUE(Collide("[::]:1", "127.0.0.1:1"));
  EXPECT_TRUE(Collide("unix:/x", "unix:/x"));
  EXPECT_FALSE(Collide("127.0.0.1:0", "127.0.0.1:0"));
  EXPECT_FALSE(Collide("0.0.0.0:0", "127.0.0.1:0"));
  EXPECT_FALSE(Collide("127.0.0.1:1", "127.0.0.2:1"));
  EXPECT_FALSE(Collide("127.0.0.1:1", "127.0.0.1:2"));
  EXPECT_FALSE(Collide("unix:/x", "unix:/y"));
  EXPECT_FALSE(Collide("unix:/x", "0.0.0.0:1"));
}

TEST(ParseRatio, TakesDecimalDigitsAlone) {
  EXPECT_EQ(*ParseRatio("0.25"), 0.25);
  EXPECT_EQ(*ParseRatio("1e-3"), 1e-3);
  for (const char* bad : {"", "1.01", "-0.1", "0x1", "nan", "half"}) EXPECT_FALSE(ParseRatio(bad).ok()) << bad;
}

}  // namespace
}  // namespace favor
