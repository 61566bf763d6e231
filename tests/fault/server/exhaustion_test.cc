// Clients that vanish, descriptors that run out, a log nobody reads.
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "favor/format/npy.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/integration/harness/temp_dir.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {
namespace {

bool IsIdle(Favord& favord) {
  const Exposition metrics = favord.Metrics();
  return metrics.Sum("favor_calls_in_flight") == 0 && metrics.Sum("favor_admitted_bytes") == 0;
}

TEST(VanishedClient, FreesTheServer) {
  Favord favord;
  // A process of its own that vanishes in the midst of a call of seconds: the command, killed.
  const TempDir dir;
  const std::vector<float> zeros(8 * 20'000 * 32);
  StoredTensor stored;
  stored.dtype = "F32";
  stored.shape = {1, 8, 20'000, 32};
  stored.data = {reinterpret_cast<const std::byte*>(zeros.data()), zeros.size() * sizeof(float)};
  ASSERT_TRUE(WriteNpy(dir.File("x.npy"), stored).ok());
  const std::string file = dir.File("x.npy");
  Process client({.arguments = {FAVOR_FAVOR_PATH, "attend", "--endpoint", favord.address(), "--queries", file, "--keys",
                                file, "--values", file, "--mode", "exact"}});
  // The inputs of 60 MB and the output are admitted: the kernels are next.
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") > 75e6; }));
  client.Signal(SIGKILL);
  client.AwaitExit(absl::Seconds(60));
  // CPU time tells what the call still took, also where other tests take the machine: all of it would be seconds.
  const double before = favord.Metrics().Sum("process_cpu_seconds_total");
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  EXPECT_LT(favord.Metrics().Sum("process_cpu_seconds_total") - before, 1.5);
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(VanishedClient, InTheMidstOfItsRequestLeavesNothingBehind) {
  Favord favord;
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const double before = favord.Metrics().Sum("process_open_fds");
  // An HTTP/2 preface, empty settings, and the beginning of a HEADERS frame that never goes on.
  for (int i = 0; i < 50; ++i) {
    const Socket socket(favord.address());
    socket.Send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x40\x01\x04\0\0\0\x01\x82", 43));
  }
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  // Give or take a connection for metrics.
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("process_open_fds") <= before + 2; }));
}

TEST(Descriptors, WhenTheyRunOutOldConnectionsGoOn) {
  // It looks at an object's type through a pipe, and where it gets none calls the object bad: any shared_ptr will do.
  if (kSanitized) GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors of its own";
  Favord favord({.max_open_files = 64});
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  {
    std::vector<std::unique_ptr<Socket>> sockets;
    for (int i = 0; i < 100; ++i) sockets.push_back(std::make_unique<Socket>(favord.address()));
    for (int i = 0; i < 5; ++i) {
      const AttendAnswer answer = Attend(favord.channel(), GoodRequest());
      EXPECT_TRUE(answer.ok()) << Describe(answer.status);
    }
    EXPECT_TRUE(favord.process().running());
  }
  // New connections are another matter: gRPC 1.51 has stopped listening, see docs/settings.md. What counts
  // is that a probe notices and that the server can still be stopped.
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  EXPECT_TRUE(favord.process().running());
}

}  // namespace
}  // namespace favor::testing
