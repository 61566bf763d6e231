// Bytes that are no message: the server says so, keeps its memory, and goes on.
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;

constexpr char kAttend[] = "/favor.v1.AttentionService/Attend";

// A request with something in every part that the server takes apart by hand.
std::string FullRequest() {
  const AttentionShape shape = {2, 2, 2, 5, 5, 8, 4};
  AttentionCase attention_case = GaussianCase({}, shape, TestProjection(16, 8, 1, false, 2), 1);
  attention_case.query_lengths = {5, 3};
  attention_case.key_lengths = {4, 5};
  attention_case.spec.features.epsilon_parity = EpsilonParity();
  return ToRequest(attention_case).SerializeAsString();
}

void Append(std::string* bytes, uint64_t varint) {
  for (; varint >= 0x80; varint >>= 7) bytes->push_back(static_cast<char>(varint | 0x80));
  bytes->push_back(static_cast<char>(varint));
}

// One to four changes of single bits, bytes, spans and lengths.
std::string Mutate(std::string bytes, Random& random) {
  for (int64_t changes = random.Integer(1, 4); changes > 0 && !bytes.empty(); --changes) {
    const auto size = static_cast<int64_t>(bytes.size());
    const int64_t at =
        random.Integer(0, 1) == 0 ? random.Integer(0, size - 1) : random.Integer(0, std::min<int64_t>(size, 40) - 1);
    switch (random.Integer(0, 5)) {
      case 0:
        bytes[at] ^= static_cast<char>(1 << random.Integer(0, 7));
        break;
      case 1:
        bytes[at] = static_cast<char>(random.Bits());
        break;
      case 2:
        bytes.erase(at, random.Integer(1, 20));
        break;
      case 3:
        bytes.insert(at, bytes.substr(random.Integer(0, size - 1), random.Integer(1, 60)));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5: {
        std::string varint;
        Append(&varint, random.Bits() >> random.Integer(0, 63));
        bytes.insert(at, varint);
        break;
      }
    }
  }
  return bytes;
}

class Garbage : public ::testing::Test {
 protected:
  // Sends the bytes; they are answered, and not by a crash.
  grpc::Status Send(const std::string& bytes) {
    const grpc::Status status = CallWithBytes(favord_.channel(), kAttend, bytes).status;
    EXPECT_THAT(status.error_code(),
                AnyOf(Eq(grpc::StatusCode::OK), Eq(grpc::StatusCode::INVALID_ARGUMENT),
                      Eq(grpc::StatusCode::UNIMPLEMENTED), Eq(grpc::StatusCode::RESOURCE_EXHAUSTED)))
        << Describe(status);
    return status;
  }

  void ExpectRefused(const std::string& bytes) {
    const grpc::Status status = Send(bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(status);
  }

  void TearDown() override {
    const AttendAnswer good = Attend(favord_.channel(), GoodRequest());
    EXPECT_TRUE(good.ok()) << Describe(good.status) << favord_.process().err().text().substr(0, 4000);
    EXPECT_TRUE(Eventually([&] { return favord_.Metrics().Sum("favor_admitted_bytes") == 0; }));
    EXPECT_TRUE(favord_.process().running());
  }

  Favord favord_;
};

TEST_F(Garbage, MutationsOfARequestAreAnsweredAndLeaveNoMemoryBehind) {
  const std::string request = FullRequest();
  ASSERT_EQ(Send(request).error_code(), grpc::StatusCode::OK);
  Random random(20'240'601);
  for (int i = 0; i < 500; ++i) Send(Mutate(request, random));
  const int64_t before = favord_.ResidentBytes();
  for (int i = 0; i < 2500; ++i) {
    Send(Mutate(request, random));
    if (HasFailure()) FAIL() << "at mutation " << i;
  }
  if (MemoryIsMeasurable()) {
    EXPECT_LE(favord_.ResidentBytes(), before + 40'000'000);
  }
}

TEST_F(Garbage, EveryTruncationIsAnswered) {
  const std::string request = FullRequest();
  for (size_t size = 0; size < request.size(); size += size < 64 ? 1 : 37) Send(request.substr(0, size));
}

TEST_F(Garbage, NoiseIsAnswered) {
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random.Integer(0, 3000), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Bits());
    Send(bytes);
  }
}

TEST_F(Garbage, ClaimedLengthsAreNotBelieved) {
  // Field 1 (queries) of such a length; field 3 of it (data) of such a length; nothing behind either.
  for (const uint64_t length : {uint64_t{1} << 20, (uint64_t{1} << 31) - 1, uint64_t{1} << 31, (uint64_t{1} << 32) - 1,
                                uint64_t{1} << 40, ~uint64_t{0}}) {
    SCOPED_TRACE(length);
    std::string message = "\x0a";
    Append(&message, length);
    ExpectRefused(message);
    std::string data = "\x1a";
    Append(&data, length);
    std::string queries = "\x0a";
    Append(&queries, data.size());
    ExpectRefused(queries + data);
  }
  if (MemoryIsMeasurable()) {
    EXPECT_LE(favord_.PeakResidentBytes(), 100'000'000);
  }
}

TEST_F(Garbage, DeepAndManyMessagesAreBounded) {
  // Groups inside groups, a thousand deep; statistics of a hundred thousand empty heads; a million unknown fields.
  ExpectRefused(std::string(1000, '\x0b') + std::string(1000, '\x0c'));
  v1::AttendRequest heads = GoodRequest();
  for (int i = 0; i < 100'000; ++i) heads.mutable_spec()->mutable_features()->mutable_statistics()->add_heads();
  EXPECT_FALSE(Send(heads.SerializeAsString()).ok());
  std::string unknown;
  for (int i = 0; i < 1'000'000; ++i) unknown += "\xf8\x07\x01";
  ExpectRefused(unknown);
  v1::AttendRequest lengths = GoodRequest();
  for (int i = 0; i < 2'000'000; ++i) lengths.add_query_lengths(1);
  EXPECT_FALSE(Send(lengths.SerializeAsString()).ok());
  if (MemoryIsMeasurable()) {
    EXPECT_LE(favord_.PeakResidentBytes(), 200'000'000);
  }
}

TEST_F(Garbage, RepeatedTensorsMeanWhatProtobufSays) {
  // The last data holds, shapes are strung together, and none of it is kept twice.
  const std::string request = GoodRequest().SerializeAsString();
  ExpectRefused(request + request);

  v1::AttendRequest only_data;
  only_data.mutable_queries()->set_data(std::string(GoodRequest().queries().data().size(), '\0'));
  const auto answer = CallWithBytes(favord_.channel(), kAttend, request + only_data.SerializeAsString());
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  v1::AttendRequest zero_queries = GoodRequest();
  *zero_queries.mutable_queries()->mutable_data() = only_data.queries().data();
  v1::AttendResponse response;
  ASSERT_TRUE(response.ParseFromString(answer.response));
  EXPECT_EQ(response.output().data(), Attend(favord_.channel(), zero_queries).response.output().data());
}

TEST_F(Garbage, ConnectionsThatAreNoHttp2AreClosedOrLeftAlone) {
  Random random(3);
  for (int i = 0; i < 20; ++i) {
    const Socket socket(favord_.address());
    ASSERT_TRUE(socket.connected());
    std::string bytes = i % 2 == 0 ? "GET / HTTP/1.1\r\n\r\n" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (int k = 0; k < 200; ++k) bytes.push_back(static_cast<char>(random.Bits()));
    socket.Send(bytes);
  }
}

TEST_F(Garbage, MetricsEndpointSurvivesWhatIsNoHttp) {
  for (const std::string& bytes : {std::string("\0\0\0\0", 4), std::string(100'000, 'x'), std::string("GET ")}) {
    const Socket socket(favord_.metrics_address());
    ASSERT_TRUE(socket.connected());
    socket.Send(bytes);
  }
  EXPECT_TRUE(favord_.Metrics().Has("favor_build_info"));
}

}  // namespace
}  // namespace favor::testing
