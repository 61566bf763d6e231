// A server that takes a connection and then stops reading: the worst that can happen to memory lent to gRPC.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"

namespace favor::client {
namespace {

// Accepts by the backlog of its socket; sends HTTP/2 settings that let a client send as much as it likes; reads
// nothing.
class StalledServer {
 public:
  StalledServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    endpoint_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~StalledServer() {
    if (connection_ >= 0) close(connection_);
    close(listener_);
  }

  const std::string& endpoint() const { return endpoint_; }

  // Waits for the client. SETTINGS with INITIAL_WINDOW_SIZE 2^31 - 1, then WINDOW_UPDATE of the connection by 2^30.
  void AcceptAndStall() {
    connection_ = accept(listener_, nullptr, nullptr);
    const uint8_t frames[] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0,    4, 0x7f, 0xff, 0xff, 0xff,  //
                              0, 0, 4, 8, 0, 0, 0, 0, 0, 0x40, 0, 0,    0};
    EXPECT_EQ(send(connection_, frames, sizeof(frames), MSG_NOSIGNAL), static_cast<ssize_t>(sizeof(frames)));
  }

 private:
  const int listener_;
  int connection_ = -1;
  std::string endpoint_;
};

// The client cannot return while gRPC still reads the tensors, and gRPC cannot stop in the middle of a write: the
// kernel must end it (TCP_USER_TIMEOUT, 20 s). Without that this would never return.
TEST(StalledServer, HoldsACallNoLongerThanTheKernelHoldsItsConnection) {
  StalledServer server;
  const absl::StatusOr<Client> client = Client::Connect({.endpoint = server.endpoint()});
  ASSERT_TRUE(client.ok());
  std::thread accepting([&server] { server.AcceptAndStall(); });
  // Far more than the sockets' buffers hold.
  const std::vector<float> values(int64_t{16} << 20, 1.0f);
  const TensorView tensor = Float32View(values, {1, 1, int64_t{1} << 18, 64});
  AttendOptions options;
  options.deadline = absl::Milliseconds(500);
  const absl::Time start = absl::Now();
  const absl::Status status = client->Attend({tensor, tensor, tensor}, options).status();
  accepting.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  // 20 s and the pause before the kernel's next probe of the window; measured: 30 s.
  EXPECT_LT(absl::Now() - start, absl::Seconds(60));
}

// Far away, or busy with other connections: what counts is the call's deadline.
TEST(StalledServer, MayTakeItsTimeToConnect) {
  StalledServer server;
  const absl::StatusOr<Client> client = Client::Connect({.endpoint = server.endpoint()});
  ASSERT_TRUE(client.ok());
  std::thread accepting([&server] {
    absl::SleepFor(absl::Milliseconds(500));
    server.AcceptAndStall();
  });
  const std::vector<float> values(64, 1.0f);
  const TensorView tensor = Float32View(values, {1, 1, 1, 64});
  AttendOptions options;
  options.deadline = absl::Seconds(2);
  const absl::Status status = client->Attend({tensor, tensor, tensor}, options).status();
  accepting.join();
  // Connected, and then not answered.
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

}  // namespace
}  // namespace favor::client
