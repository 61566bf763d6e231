#include "server/security/key_ring.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/execution/retry_delay.h"
#include "tests/integration/harness/certificates.h"

namespace favor {
namespace {

using ::testing::HasSubstr;
using testing::Sha256Of;

constexpr absl::Time kNow = absl::UnixEpoch();

ApiKeys Keys(const std::string& text, const KeyLimits& defaults = {}) {
  auto keys = ApiKeys::Parse(text, "keys", defaults);
  EXPECT_TRUE(keys.ok()) << keys.status();
  return keys.ok() ? *std::move(keys) : ApiKeys();
}

std::string Line(const std::string& name, const std::string& options = "") {
  return absl::StrCat(name, " ", Sha256Of("key of " + name), " ", options, "\n");
}

TEST(KeyRing, ChecksTheKeyOfABearer) {
  const KeyRing ring(Keys(Line("alice")));
  EXPECT_TRUE(ring.Check("Bearer key of alice", false, "x").ok());
  EXPECT_TRUE(ring.Check("bearer key of alice", false, "x").ok());
  for (const std::string wrong : {"", "key of alice", "Bearer", "Bearer ", "Bearer key of bob", "Basic key of alice"}) {
    EXPECT_TRUE(absl::IsUnauthenticated(ring.Check(wrong, false, "x"))) << wrong;
  }
}

TEST(KeyRing, AnAdministratorIsWhoTheFileCallsOne) {
  const KeyRing ring(Keys(Line("alice") + Line("root", "admin")));
  EXPECT_TRUE(ring.Check("Bearer key of root", true, "LoadModel").ok());
  const absl::Status refused = ring.Check("Bearer key of alice", true, "LoadModel");
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("LoadModel"));
}

TEST(KeyRing, APassHasThePriorityOfItsKey) {
  KeyRing ring(Keys(Line("alice") + Line("shop", "priority=high") + Line("batch", "priority=low")));
  const auto of = [&](const std::string& name) { return ring.Enter("Bearer key of " + name, kNow)->priority(); };
  EXPECT_EQ(of("alice"), Priority::kNormal);
  EXPECT_EQ(of("shop"), Priority::kHigh);
  EXPECT_EQ(of("batch"), Priority::kLow);
  EXPECT_FALSE(ApiKeys::Parse(Line("alice", "priority=urgent"), "keys", {}).ok());
}

TEST(KeyRing, RevokedKeysAreRefusedAndNewOnesTaken) {
  KeyRing ring(Keys(Line("alice")));
  ring.Replace(Keys(Line("bob")));
  EXPECT_TRUE(absl::IsUnauthenticated(ring.Check("Bearer key of alice", false, "x")));
  EXPECT_TRUE(absl::IsUnauthenticated(ring.Enter("Bearer key of alice", kNow).status()));
  EXPECT_TRUE(ring.Enter("Bearer key of bob", kNow).ok());
}

TEST(KeyRing, CallsUnderWayAreBoundedByKey) {
  KeyRing ring(Keys(Line("alice", "calls=2") + Line("bob")));
  const std::string alice = "Bearer key of alice";
  auto first = ring.Enter(alice, kNow);
  auto second = ring.Enter(alice, kNow);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->name(), "alice");
  const absl::Status refused = ring.Enter(alice, kNow).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_TRUE(RetryDelayOf(refused).has_value());
  EXPECT_TRUE(ring.Enter("Bearer key of bob", kNow).ok()) << "another's calls do not count";
  *first = KeyRing::Pass();
  EXPECT_TRUE(ring.Enter(alice, kNow).ok());
  EXPECT_EQ(ring.stats().refused_for_calls, 1);
}

TEST(KeyRing, RateAllowsABurstAndThenOneAtATime) {
  KeyRing ring(Keys(Line("alice", "rate=10 burst=3")));
  const auto enter = [&](absl::Time now) { return ring.Enter("Bearer key of alice", now).status(); };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(enter(kNow).ok());
  const absl::Status refused = enter(kNow);
  ASSERT_TRUE(absl::IsResourceExhausted(refused));
  ASSERT_TRUE(RetryDelayOf(refused).has_value());
  EXPECT_NEAR(absl::ToDoubleSeconds(*RetryDelayOf(refused)), 0.1, 1e-6);
  EXPECT_FALSE(enter(kNow + absl::Milliseconds(99)).ok());
  EXPECT_TRUE(enter(kNow + absl::Milliseconds(101)).ok());
  EXPECT_FALSE(enter(kNow + absl::Milliseconds(102)).ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(enter(kNow + absl::Hours(1)).ok());
  EXPECT_FALSE(enter(kNow + absl::Hours(1)).ok()) << "a long pause saves up no more than a burst";
  EXPECT_EQ(ring.stats().refused_for_rate, 4);
}

TEST(KeyRing, ARateBelowOnePerSecondLetsACallIn) {
  KeyRing ring(Keys(Line("alice", "rate=0.5")));
  EXPECT_TRUE(ring.Enter("Bearer key of alice", kNow).ok());
  EXPECT_FALSE(ring.Enter("Bearer key of alice", kNow + absl::Milliseconds(1900)).ok());
  EXPECT_TRUE(ring.Enter("Bearer key of alice", kNow + absl::Milliseconds(2100)).ok());
}

TEST(KeyRing, WhatIsTakenStaysTakenWhenKeysAreReplaced) {
  KeyRing ring(Keys(Line("alice", "calls=1")));
  std::optional<KeyRing::Pass> pass = *ring.Enter("Bearer key of alice", kNow);
  ring.Replace(Keys(Line("alice", "calls=1")));
  EXPECT_FALSE(ring.Enter("Bearer key of alice", kNow).ok());
  ring.Replace(Keys(Line("bob")));
  pass.reset();  // of a key that is gone
  ring.Replace(Keys(Line("alice", "calls=1")));
  EXPECT_TRUE(ring.Enter("Bearer key of alice", kNow).ok());
}

}  // namespace
}  // namespace favor
