#include "server/rpc/doorkeeper.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

const Log kNoLog(-1, LogLevel::kError);

TEST(Doorkeeper, WithoutKeysOnlyWhatIsOffIsRefused) {
  Doorkeeper doorkeeper(nullptr, {.channelz = Access::kOff}, &kNoLog);
  EXPECT_TRUE(doorkeeper.is_needed());
  EXPECT_TRUE(doorkeeper.Admit("/favor.v1.AttentionService/Attend", "").ok());
  EXPECT_TRUE(doorkeeper.Admit("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "").ok());
  EXPECT_TRUE(absl::IsUnimplemented(doorkeeper.Admit("/grpc.channelz.v1.Channelz/GetServers", "")));
  EXPECT_FALSE(Doorkeeper(nullptr, {}, &kNoLog).is_needed());
}

TEST(Doorkeeper, WithKeysEverythingButHealthNeedsOne) {
  KeyRing ring{ApiKeys()};
  Doorkeeper doorkeeper(&ring, {}, &kNoLog);
  EXPECT_TRUE(doorkeeper.Admit("/grpc.health.v1.Health/Check", "").ok());
  for (const std::string path : {"/favor.v1.AttentionService/Attend", "/favor.v1.ModelService/LoadModel",
                                 "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                 "/grpc.channelz.v1.Channelz/GetServers", "/no.such.Service/Method", ""}) {
    EXPECT_TRUE(absl::IsUnauthenticated(doorkeeper.Admit(path, ""))) << path;
  }
  EXPECT_EQ(doorkeeper.stats().refused_unauthenticated, 6);
  EXPECT_TRUE(Doorkeeper(&ring, {.reflection = Access::kOpen}, &kNoLog)
                  .Admit("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "")
                  .ok());
}

}  // namespace
}  // namespace favor
