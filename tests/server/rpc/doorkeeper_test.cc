#include "server/rpc/doorkeeper.h"

#include <unistd.h>

#include <algorithm>
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

TEST(Doorkeeper, LogsARefusalASecondWithTheStartOfTheKeysHash) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  {
    const Log log(ends[1], LogLevel::kInfo);
    KeyRing ring{ApiKeys()};
    Doorkeeper doorkeeper(&ring, {}, &log);
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(doorkeeper.Admit("/favor.v1.AttentionService/Attend", "Bearer key of alice").ok());
    }
  }
  close(ends[1]);
  std::string text(4096, '\0');
  text.resize(std::max<ssize_t>(read(ends[0], text.data(), text.size()), 0));
  close(ends[0]);
  ASSERT_EQ(text.find('\n'), text.size() - 1) << text;
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["path"], "/favor.v1.AttentionService/Attend");
  EXPECT_EQ(line["code"], "UNAUTHENTICATED");
  EXPECT_EQ(line["key_sha256"], "a34f17e6");
  EXPECT_EQ(text.find("alice"), std::string::npos);
}

}  // namespace
}  // namespace favor
