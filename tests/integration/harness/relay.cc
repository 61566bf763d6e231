#include "tests/integration/harness/relay.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/sockets.h"

namespace favor::testing {
namespace {

// How many of so many bytes may go on, at least one; waits until they may.
using Gate = std::function<int64_t(int64_t num_bytes)>;

// Sends all of what `from` has, as the gate lets it; false when either side is gone.
bool Pass(int from, int to, const Gate& gate) {
  char buffer[1 << 16];
  const ssize_t count = recv(from, buffer, sizeof(buffer), 0);
  if (count <= 0) return false;
  for (ssize_t passed = 0, sent = 0; sent < count;) {
    if (sent == passed) passed += gate(count - passed);
    const ssize_t some = send(to, buffer + sent, passed - sent, MSG_NOSIGNAL);
    if (some <= 0) return false;
    sent += some;
  }
  return true;
}

// A side that does not take bytes must not hold up the other direction: each has a thread.
void PassAll(int from, int to, const Gate& gate) {
  while (Pass(from, to, gate)) {
  }
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

// The next close is a reset.
void Reset(int fd) {
  const linger none{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  shutdown(fd, SHUT_RDWR);
}

}  // namespace

Relay::Relay(std::string target, int64_t hold_after)
    : target_(std::move(target)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), num_left_(hold_after) {
  sockaddr_in any = ParseAddress("127.0.0.1:0");
  socklen_t size = sizeof(any);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&any), size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size) != 0) {
    std::perror("a port to listen on");
    std::abort();
  }
  address_ = absl::StrCat("127.0.0.1:", ntohs(any.sin_port));
  acceptor_ = std::thread([this] { Accept(); });
}

Relay::~Relay() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  Cut();
  std::vector<std::thread> copiers;
  {
    const absl::MutexLock lock(&mutex_);
    copiers.swap(copiers_);
  }
  for (std::thread& copier : copiers) copier.join();
  close(listener_);
}

void Relay::Cut() {
  const absl::MutexLock lock(&mutex_);
  for (const Pair& pair : pairs_) {
    Reset(pair.client);
    Reset(pair.server);
  }
}

bool Relay::holds() const {
  const absl::MutexLock lock(&mutex_);
  return num_held_ > 0;
}

void Relay::Release() {
  const absl::MutexLock lock(&mutex_);
  num_left_ = std::numeric_limits<int64_t>::max();
}

int64_t Relay::AwaitTurn(int64_t num_bytes) {
  const absl::MutexLock lock(&mutex_);
  const auto may_pass = [this] {
    mutex_.AssertReaderHeld();
    return stop_ || num_left_ > 0;
  };
  ++num_held_;
  mutex_.Await(absl::Condition(&may_pass));
  --num_held_;
  if (stop_) return num_bytes;
  const int64_t passed = std::min(num_bytes, num_left_);
  num_left_ -= passed;
  return passed;
}

void Relay::Accept() {
  while (true) {
    Pair pair{accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const sockaddr_in to = ParseAddress(target_);
    const absl::MutexLock lock(&mutex_);
    const bool connected =
        pair.client >= 0 && connect(pair.server, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
    if (!connected) {
      close(pair.client);
      close(pair.server);
      if (stop_) return;
      continue;
    }
    pairs_.push_back(pair);
    copiers_.emplace_back([this, pair] { Copy(pair); });
  }
}

void Relay::Copy(Pair pair) {
  std::thread there([pair] { PassAll(pair.client, pair.server, [](int64_t num_bytes) { return num_bytes; }); });
  PassAll(pair.server, pair.client, [this](int64_t num_bytes) { return AwaitTurn(num_bytes); });
  there.join();
  const absl::MutexLock lock(&mutex_);
  std::erase_if(pairs_, [&](const Pair& other) { return other.client == pair.client; });
  close(pair.client);
  close(pair.server);
}

}  // namespace favor::testing
