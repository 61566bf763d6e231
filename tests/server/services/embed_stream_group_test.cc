#include "server/services/embed_stream_group.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

class Group : public ::testing::Test {
 protected:
  Group() {
    settings_.model = {"fake", "/models/fake", testing::FakeModel()};
    settings_.windows.over_length = OverLength::kWindows;
  }

  EmbedStreamGroup New() {
    return EmbedStreamGroup(&settings_, {1 << 20, 64 << 20, 64 << 20}, *admission_.Admit(0, "the test"));
  }

  static ArrivedInput Arrive(const std::string& text, uint64_t id) {
    v1::EmbedStreamRequest request;
    request.mutable_input()->set_id(id);
    request.mutable_input()->mutable_input()->set_text(text);
    grpc::Slice slice(request.SerializeAsString());
    return {grpc::ByteBuffer(&slice, 1), absl::OkStatus(), absl::Now()};
  }

  Admission admission_{AdmissionLimits{.memory_budget_bytes = 512 << 20, .max_calls = 8}};
  EmbedSettings settings_;
};

std::string Words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) absl::StrAppend(&text, "word", i, " ");
  return text;
}

TEST_F(Group, TokenisesALongTextInSteps) {
  EmbedStreamGroup group = New();
  ASSERT_TRUE(group.Take(Arrive(Words(20'000), 5)).ok());
  int num_steps = 1;
  for (; group.is_within_input(); ++num_steps) group.GoOn();
  EXPECT_GE(num_steps, 8);  // some 190 KB, 16 KiB a step
  ASSERT_TRUE(group.Take(Arrive("short", 6)).ok());
  EXPECT_FALSE(group.is_within_input());
  const EmbedWork work = group.TakeWork(nullptr);
  ASSERT_EQ(work.inputs.size(), 2u);
  EXPECT_EQ(work.inputs[0].num_tokens, 20'002);
  EXPECT_EQ(work.inputs[1].num_tokens, 3);
}

TEST_F(Group, GivesBackWhatReadingTook) {
  EmbedStreamGroup group = New();
  ASSERT_TRUE(group.Take(Arrive(Words(20'000), 5)).ok());
  const int64_t while_reading = group.reservation()->bytes();
  while (group.is_within_input()) group.GoOn();
  EXPECT_LT(group.reservation()->bytes(), while_reading);
  EXPECT_GE(group.reservation()->bytes(), 4 * 20'000);
}

}  // namespace
}  // namespace favor
