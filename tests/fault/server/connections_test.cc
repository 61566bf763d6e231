// Connections that abuse the protocol, or hold on to it without using it: others are none the worse.
#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

// HTTP/2, RFC 9113.
enum FrameType : char { kHeaders = 1, kSettings = 4, kPing = 6, kGoAway = 7, kContinuation = 9 };
constexpr char kEndHeaders = 4;
constexpr uint32_t kEnhanceYourCalm = 11;

std::string Frame(FrameType type, char flags, uint32_t stream, const std::string& payload) {
  const auto byte = [](uint32_t value, int shift) { return static_cast<char>(value >> shift & 0xff); };
  const auto size = static_cast<uint32_t>(payload.size());
  return std::string{byte(size, 16),   byte(size, 8),    byte(size, 0),   type,           flags,
                     byte(stream, 24), byte(stream, 16), byte(stream, 8), byte(stream, 0)} +
         payload;
}

const std::string& Preface() {
  static const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "");
  return preface;
}

struct GoAway {
  uint32_t code = 0;
  std::string text;
};

// The GOAWAY among the frames that the server sent.
std::optional<GoAway> FindGoAway(const std::string& bytes) {
  const auto number = [&bytes](size_t at, int size) {
    uint32_t value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  for (size_t at = 0; at + 9 <= bytes.size();) {
    const size_t size = number(at, 3);
    if (bytes[at + 3] == kGoAway && at + 9 + 8 <= bytes.size() && number(at + 9 + 4, 4) != 0) {
      return GoAway{number(at + 9 + 4, 4), bytes.substr(at + 9 + 8, size - 8)};
    }
    at += 9 + size;
  }
  return std::nullopt;
}

// A literal header that goes into the table: RFC 7541, 6.2.1, without Huffman codes.
std::string Header(const std::string& name, const std::string& value) {
  const auto text = [](const std::string& s) {
    if (s.size() < 127) return std::string{static_cast<char>(s.size())} + s;
    std::string length{127};
    size_t left = s.size() - 127;
    for (; left >= 128; left /= 128) length += static_cast<char>(128 + left % 128);
    return length + static_cast<char>(left) + s;
  };
  return absl::StrCat("\x40", text(name), text(value));
}

std::string RequestHeaders() {
  return Header(":method", "POST") + Header(":scheme", "http") +
         Header(":path", "/favor.v1.InfoService/GetServerInfo") + Header(":authority", "favord") +
         Header("content-type", "application/grpc") + Header("te", "trailers");
}

// The times that so many small calls took, one after the other.
std::vector<absl::Duration> TimesOf(Favord& favord, int count) {
  std::vector<absl::Duration> times;
  const v1::AttendRequest request = GoodRequest();
  for (int i = 0; i < count; ++i) {
    const absl::Time begin = absl::Now();
    const AttendAnswer answer = Attend(favord.channel(), request);
    EXPECT_TRUE(answer.ok()) << Describe(answer.status);
    times.push_back(absl::Now() - begin);
  }
  std::sort(times.begin(), times.end());
  return times;
}

TEST(Pings, TooOftenEndTheConnectionAndNoOther) {
  Favord favord({.flags = {"--min-ping-interval", "1m"}});
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const Socket socket(favord.address());
  ASSERT_TRUE(socket.Send(Preface()));
  for (int i = 0; i < 10; ++i) socket.Send(Frame(kPing, 0, 0, "12345678"));
  const std::optional<GoAway> end = FindGoAway(socket.ReceiveAll());
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, kEnhanceYourCalm);
  EXPECT_THAT(end->text, HasSubstr("too_many_pings"));
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(Pings, AsOftenAsAllowedAreAnswered) {
  Favord favord({.flags = {"--min-ping-interval", "10ms"}});
  const Socket socket(favord.address());
  ASSERT_TRUE(socket.Send(Preface()));
  for (int i = 0; i < 10; ++i) {
    // Each once the one before it has been answered: a server that is kept waiting reads no two of them at once.
    absl::SleepFor(absl::Milliseconds(30));
    ASSERT_TRUE(socket.Send(Frame(kPing, 0, 0, "12345678")));
    ASSERT_TRUE(socket.Await(Frame(kPing, 1, 0, "12345678"))) << i;
  }
}

TEST(Headers, BeyondTheMaximumAreRefusedAndOthersGoOn) {
  Favord favord({.flags = {"--max-metadata-size", "16KiB"}});
  grpc::ClientContext context;
  context.AddMetadata("bomb", std::string(20'000, 'x'));
  const AttendAnswer answer = Attend(favord.channel(), GoodRequest(), {.context = &context});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << Describe(answer.status);
  const AttendAnswer other = Attend(ConnectTo(favord.address()), GoodRequest());
  EXPECT_TRUE(other.ok()) << Describe(other.status);
  // gRPC may close the connection that they came over; the channel makes another.
  EXPECT_TRUE(Eventually([&] { return Attend(favord.channel(), GoodRequest()).ok(); }));
}

// One header of four kilobytes in the table, of which every further byte on the wire makes another: 100 MB a stream.
TEST(Headers, ThatUnpackToMegabytesTakeNoMemoryAndDisturbNobody) {
  if (!MemoryIsMeasurable()) GTEST_SKIP() << "a sanitizer keeps its own books";
  Favord favord;
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const int64_t before = favord.ResidentBytes();
  std::vector<std::unique_ptr<Socket>> sockets;
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(std::make_unique<Socket>(favord.address()));
    const std::string first = RequestHeaders() + Header("bomb", std::string(3'900, 'x'));
    const std::string again(16'000, static_cast<char>(0x80 + 62));  // what came into the table last
    std::string bytes = Preface() + Frame(kHeaders, 0, 1, first);
    for (int frame = 0; frame < 2; ++frame) bytes += Frame(kContinuation, frame == 1 ? kEndHeaders : 0, 1, again);
    sockets.back()->Send(bytes);
  }
  TimesOf(favord, 50);
  EXPECT_LT(favord.PeakResidentBytes() - before, 64 << 20);
}

// Headers that never end: HTTP/2 knows no bound for the frames that continue them.
TEST(Headers, WithoutAnEndTakeNoMemoryAndDisturbNobody) {
  if (!MemoryIsMeasurable()) GTEST_SKIP() << "a sanitizer keeps its own books";
  Favord favord;
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const int64_t before = favord.ResidentBytes();
  const Socket socket(favord.address());
  ASSERT_TRUE(socket.Send(Preface() + Frame(kHeaders, 0, 1, RequestHeaders())));
  std::string more;
  for (int i = 0; i < 40; ++i) more += Header(absl::StrCat("name", i), std::string(380, 'x'));
  for (int i = 0; i < 2'000; ++i) {
    if (!socket.Send(Frame(kContinuation, 0, 1, more))) break;  // had enough of it: as good
  }
  TimesOf(favord, 50);
  EXPECT_LT(favord.PeakResidentBytes() - before, 64 << 20) << "of 32 MB that were sent";
}

// Connections that stop in the midst of what they begin with, or dribble on with it.
class SlowConnections {
 public:
  SlowConnections(const std::string& address, int idle, int slow) {
    for (int i = 0; i < idle + slow; ++i) sockets_.push_back(std::make_unique<Socket>(address));
    for (int i = 0; i < idle; ++i) sockets_[i]->Send(Preface());
    thread_ = std::thread([this, idle] {
      // A third each: the preface, the settings after it, a call's headers.
      const std::string headers = Preface() + Frame(kHeaders, kEndHeaders, 1, RequestHeaders());
      const size_t begins[] = {0, 24, Preface().size()};
      for (size_t step = 0; !stop_; ++step) {
        for (size_t i = idle; i < sockets_.size(); ++i) {
          const size_t begin = begins[i % 3];
          if (step == 0) sockets_[i]->Send(headers.substr(0, begin));
          if (begin + step + 1 < headers.size()) sockets_[i]->Send(headers.substr(begin + step, 1));
        }
        absl::SleepFor(absl::Milliseconds(50));
      }
    });
  }
  ~SlowConnections() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// A wide margin, and the best of several attempts: other tests share the machine, and may take it from one of the two
// times that are compared. tests/deploy/test_overload.py measures.
TEST(SlowConnections, DisturbNobody) {
  absl::Duration alone, beside = absl::InfiniteDuration();
  for (int attempt = 0; attempt < 8 && beside > 2 * alone + absl::Milliseconds(1); ++attempt) {
    Favord favord({.flags = {"--log-every", "0"}});
    alone = TimesOf(favord, 400)[200];
    const SlowConnections slow(favord.address(), 200, 60);
    beside = TimesOf(favord, 400)[200];
  }
  EXPECT_LE(beside, 2 * alone + absl::Milliseconds(1));
}

TEST(SlowConnections, AreClosedWhenTheirTimeIsUp) {
  Favord favord({.flags = {"--handshake-timeout", "300ms"}});
  ASSERT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const double before = favord.Metrics().Sum("process_open_fds");
  const Socket silent(favord.address()), begun(favord.address());
  begun.Send(Preface().substr(0, 10));
  silent.ReceiveAll();  // returns: closed
  begun.ReceiveAll();
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("process_open_fds") <= before + 1; }));
}

// Of all calls that were logged so far.
std::set<std::string> PeersOf(Favord& favord) {
  std::set<std::string> peers;
  for (const absl::string_view line : absl::StrSplit(favord.process().err().text(), '\n', absl::SkipEmpty())) {
    const auto json = nlohmann::json::parse(std::string(line), nullptr, false);
    if (json.is_object() && json.value("event", "") == "call") peers.insert(json.value("peer", ""));
  }
  return peers;
}

// A call that its client has not sent when the connection's end is announced never leaves it: gRPC's core ends it as
// UNAVAILABLE where its retries are off, and the client repeats it. What reached the server has to be answered.
TEST(OldConnections, AreReplacedWithoutACallThatFails) {
  Favord favord({.flags = {"--max-connection-age", "300ms", "--max-connection-age-grace", "10s"}});
  std::atomic<bool> stop = false;
  std::atomic<int> answered = 0, unsent = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        const AttendAnswer answer = Attend(favord.channel(), GoodRequest());
        if (answer.status.error_code() == grpc::StatusCode::UNAVAILABLE) {
          ++unsent;
          continue;
        }
        EXPECT_TRUE(answer.ok()) << Describe(answer.status);
        ++answered;
      }
    });
  }
  // Three connections that were replaced, however long that takes here.
  EXPECT_TRUE(Eventually([&] { return answered > 100 && PeersOf(favord).size() >= 4; }));
  stop = true;
  for (std::thread& caller : callers) caller.join();
  const auto handled = [&favord](const Exposition::Labels& labels) {
    return favord.Metrics().Sum("grpc_server_handled_total", labels);
  };
  EXPECT_TRUE(Eventually([&] { return handled({{"grpc_method", "Attend"}, {"grpc_code", "OK"}}) == answered; }));
  EXPECT_EQ(handled({{"grpc_method", "Attend"}}), answered) << "a call reached the server and failed";
  EXPECT_LE(unsent, static_cast<int>(callers.size() * PeersOf(favord).size())) << "one a caller and connection at most";
}

}  // namespace
}  // namespace favor::testing
