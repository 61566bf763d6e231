#include "server/convert/attend_wire_reader.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/server/convert/pieces.h"

namespace favor {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

// The message with the tensors' bytes put back, to compare with what Protobuf itself makes of the wire.
v1::AttendRequest Whole(AttendMessage message) {
  v1::AttendRequest request = message.request;
  const auto put_back = [&message](v1::Tensor* tensor) {
    const AlignedBuffer<std::byte> data = message.TakeData(*tensor);
    tensor->set_data(std::string(reinterpret_cast<const char*>(data.data()), data.size()));
  };
  if (request.has_queries()) put_back(request.mutable_queries());
  if (request.has_keys()) put_back(request.mutable_keys());
  if (request.has_values()) put_back(request.mutable_values());
  if (request.spec().features().projection().has_matrix()) {
    put_back(request.mutable_spec()->mutable_features()->mutable_projection()->mutable_matrix());
  }
  return request;
}

void FillTensor(std::mt19937& random, v1::Tensor* tensor) {
  if (random() % 4) tensor->set_data_type(static_cast<v1::DataType>(random() % 5));
  // Now and then a skeleton whose lengths take two bytes.
  for (uint32_t i = random() % 16 ? random() % 5 : 100; i > 0; --i)
    tensor->add_shape(static_cast<int32_t>(random()) >> random() % 32);
  if (random() % 4) tensor->set_data(std::string(random() % 300, static_cast<char>(random())));
}

v1::AttendRequest RandomRequest(std::mt19937& random) {
  v1::AttendRequest request;
  if (random() % 8) FillTensor(random, request.mutable_queries());
  if (random() % 8) FillTensor(random, request.mutable_keys());
  if (random() % 8) FillTensor(random, request.mutable_values());
  for (uint32_t i = random() % 4; i > 0; --i) request.add_query_lengths(random());
  if (random() % 2) request.set_measure_error_rows(random());
  if (random() % 4) {
    v1::AttentionSpec* spec = request.mutable_spec();
    spec->set_causal(random() % 2);
    if (random() % 2) spec->set_scale(1.0 / (1 + random() % 7));
    if (random() % 4 == 0) {
      spec->mutable_exact();
    } else if (random() % 4) {
      v1::FeatureSpec* features = spec->mutable_features();
      features->set_kernel(static_cast<v1::Kernel>(random() % 12));
      if (random() % 2) features->set_num_features(random());
      if (random() % 2) features->mutable_projection()->set_seed(random());
      if (random() % 2) FillTensor(random, features->mutable_projection()->mutable_matrix());
      if (random() % 4 == 0) features->mutable_statistics()->add_heads()->add_key_shift(0.5);
    }
  }
  return request;
}

std::vector<size_t> RandomCuts(std::mt19937& random, size_t size) {
  std::vector<size_t> cuts(random() % 8);
  for (size_t& cut : cuts) cut = random() % (size + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

// Several messages one after the other are one message: fields merge, the last value holds.
std::string RandomWire(std::mt19937& random) {
  std::string wire;
  for (uint32_t i = 1 + random() % 3; i > 0; --i) wire += RandomRequest(random).SerializeAsString();
  return wire;
}

TEST(AttendWireReader, ReadsWhatProtobufReadsWhateverTheCuts) {
  std::mt19937 random(20240501);
  for (int i = 0; i < 5000; ++i) {
    const std::string wire = RandomWire(random);
    v1::AttendRequest expected;
    ASSERT_TRUE(expected.ParseFromString(wire));
    absl::StatusOr<AttendMessage> message =
        ReadMessage(wire, RandomCuts(random, wire.size()), 1 + random() % (wire.size() + 1));
    ASSERT_TRUE(message.ok()) << message.status() << " in round " << i;
    const v1::AttendRequest read = Whole(*std::move(message));
    ASSERT_TRUE(MessageDifferencer::Equals(read, expected)) << "round " << i << "\n"
                                                            << read.ShortDebugString() << "\n"
                                                            << expected.ShortDebugString();
  }
}

// A group is refused at the levels the reader walks and left to Protobuf below; nothing else may differ.
TEST(AttendWireReader, AgreesWithProtobufOnDamagedMessages) {
  std::mt19937 random(20240502);
  int num_refused = 0;
  int num_accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string wire = RandomWire(random);
    for (uint32_t m = 1 + random() % 3; m > 0 && !wire.empty(); --m) {
      const size_t at = random() % wire.size();
      switch (random() % 3) {
        case 0:
          wire[at] = static_cast<char>(random());
          break;
        case 1:
          wire.erase(at, 1 + random() % 4);
          break;
        default:
          wire.insert(at, 1 + random() % 3, static_cast<char>(random()));
      }
    }
    v1::AttendRequest expected;
    const bool parses = expected.ParseFromString(wire);
    absl::StatusOr<AttendMessage> message = ReadMessage(wire, RandomCuts(random, wire.size()));
    if (!message.ok()) {
      ++num_refused;
      ASSERT_TRUE(absl::IsInvalidArgument(message.status()));
      if (absl::StrContains(message.status().message(), "a group")) continue;
      ASSERT_FALSE(parses) << "round " << i << ": " << message.status();
      continue;
    }
    ++num_accepted;
    ASSERT_TRUE(parses) << "round " << i;
    // As bytes: damage makes NaN, which is not equal to itself.
    ASSERT_EQ(Whole(*std::move(message)).SerializeAsString(), expected.SerializeAsString()) << "round " << i;
  }
  EXPECT_GT(num_refused, 1000);
  EXPECT_GT(num_accepted, 1000);
}

TEST(AttendWireReader, LiftsDataIntoAlignedMemory) {
  v1::AttendRequest request;
  request.mutable_keys()->set_data("twelve bytes");
  absl::StatusOr<AttendMessage> message = ReadMessage(request.SerializeAsString(), {1, 5});
  ASSERT_TRUE(message.ok());
  const AlignedBuffer<std::byte> data = message->TakeData(message->request.keys());
  EXPECT_EQ(data.size(), 12);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data.data()) % 64, 0);
  EXPECT_TRUE(message->TakeData(message->request.queries()).empty());
}

TEST(AttendWireReader, AnEarlierMatrixIsGoneWhenItsOneofIsReplaced) {
  v1::AttentionSpec with_matrix;
  with_matrix.mutable_features()->mutable_projection()->mutable_matrix()->set_data("old");
  v1::AttentionSpec exact;
  exact.mutable_exact();
  v1::AttentionSpec without_data;
  without_data.mutable_features()->mutable_projection()->mutable_matrix()->add_shape(3);
  std::string wire;
  for (const v1::AttentionSpec& spec : {with_matrix, exact, without_data}) {
    v1::AttendRequest request;
    *request.mutable_spec() = spec;
    wire += request.SerializeAsString();
  }
  absl::StatusOr<AttendMessage> message = ReadMessage(wire);
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->TakeData(message->request.spec().features().projection().matrix()).empty());
}

TEST(AttendWireReader, RefusesALengthBeyondTheMessageBeforeAllocating) {
  // queries { data: 2,147,483,000 bytes claimed, 2 there }
  const std::string wire("\x0a\x09\x1a\xf8\xfa\xff\xff\x07xx", 10);
  absl::StatusOr<AttendMessage> message = ReadMessage(wire);
  ASSERT_TRUE(absl::IsInvalidArgument(message.status()));
  EXPECT_THAT(std::string(message.status().message()), HasSubstr("bytes left"));
}

TEST(AttendWireReader, RefusesGroupsEndlessVarintsAndTruncation) {
  for (const absl::string_view wire :
       {absl::string_view("\x0b\x0c", 2), absl::string_view("\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),
        absl::string_view("\xff\xff\xff\xff\xff\xff\x01", 7), absl::string_view("\x00\x00", 2),
        absl::string_view("\x0a", 1), absl::string_view("\x0a\x05\x1a\x03", 4), absl::string_view("\x4d\x01", 2)}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadMessage(std::string(wire)).status())) << wire.size();
  }
}

TEST(AttendWireReader, BoundsWhatIsNotTensorData) {
  v1::AttendRequest request;
  for (int64_t i = 0; i < AttendWireReader::kMaxSkeletonBytes; ++i) request.add_key_lengths(1);
  absl::StatusOr<AttendMessage> message = ReadMessage(request.SerializeAsString());
  ASSERT_TRUE(absl::IsInvalidArgument(message.status()));
  EXPECT_THAT(std::string(message.status().message()), HasSubstr("1048576 bytes beside the data"));
}

TEST(AttendWireReader, AnEmptyMessageIsAnEmptyRequest) {
  absl::StatusOr<AttendMessage> message = ReadMessage("");
  ASSERT_TRUE(message.ok());
  EXPECT_FALSE(message->request.has_queries());
}

TEST(AttendWireReader, ParsedBytesStayWithinWhatAdmissionCounts) {
  // The message that grows most: empty submessages, 2 bytes each on the wire.
  v1::AttendRequest request;
  v1::Statistics* statistics = request.mutable_spec()->mutable_features()->mutable_statistics();
  constexpr int kHeads = 100000;
  for (int i = 0; i < kHeads; ++i) statistics->add_heads();
  const std::string wire = request.SerializeAsString();
  absl::StatusOr<AttendMessage> message = ReadMessage(wire);
  ASSERT_TRUE(message.ok());
  EXPECT_LE(message->request.SpaceUsedLong(),
            wire.size() * static_cast<size_t>(AttendWireReader::kParsedBytesPerSkeletonByte));
}

}  // namespace
}  // namespace favor
