#include "client/cli/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "client/cli/closest_name.h"

namespace favor::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Flags : public ::testing::Test {
 protected:
  Flags() {
    flags_.BeginSection("Things");
    flags_.Add("kernel", "KERNEL", "Which.", &kernel_);
    flags_.Add("num-features", "N", "How many.", &num_features_);
    flags_.Add("causal", "Whether.", &causal_);
    flags_.Add("lengths", "N,N", "How long.", &lengths_);
    flags_.Add("deadline", "TIME", "When.", &deadline_);
    flags_.Add("output-type", "TYPE", "What.", &output_type_);
    flags_.Add("name", "TEXT", "Who.", &name_);
    flags_.Add("scale", "X", "How much.", &scale_);
  }

  std::string ErrorOf(const std::vector<std::string>& arguments) {
    return std::string(flags_.Parse(arguments).message());
  }

  FlagSet flags_;
  client::Kernel kernel_ = client::Kernel::kUnspecified;
  std::optional<int64_t> num_features_;
  bool causal_ = false;
  std::vector<int64_t> lengths_;
  absl::Duration deadline_;
  std::optional<DataType> output_type_;
  std::string name_ = "nobody";
  double scale_ = 0;
};

TEST_F(Flags, AreReadInBothSpellings) {
  ASSERT_TRUE(flags_
                  .Parse({"--kernel", "taylor2", "--num-features=64", "--causal", "--lengths", "3,2", "--deadline",
                          "1m30s", "--output-type=BF16", "--scale", "-0.5", "--name", "--odd"})
                  .ok());
  EXPECT_EQ(kernel_, client::Kernel::kTaylor2);
  EXPECT_EQ(num_features_, 64);
  EXPECT_TRUE(causal_);
  EXPECT_THAT(lengths_, ElementsAre(3, 2));
  EXPECT_EQ(deadline_, absl::Seconds(90));
  EXPECT_EQ(output_type_, DataType::kBFloat16);
  EXPECT_EQ(scale_, -0.5);
  EXPECT_EQ(name_, "--odd");
}

TEST_F(Flags, KeepTheirDefaultsAndKnowIt) {
  ASSERT_TRUE(flags_.Parse({"--causal=false"}).ok());
  EXPECT_FALSE(causal_);
  EXPECT_TRUE(flags_.IsSet("causal"));
  EXPECT_FALSE(flags_.IsSet("name"));
  EXPECT_EQ(name_, "nobody");
}

TEST_F(Flags, TheLastOneHolds) {
  ASSERT_TRUE(flags_.Parse({"--name", "a", "--name=b"}).ok());
  EXPECT_EQ(name_, "b");
}

TEST_F(Flags, UnknownOnesAreRefusedWithASuggestion) {
  EXPECT_EQ(ErrorOf({"--kernle", "x"}), "there is no flag --kernle; did you mean --kernel?");
  EXPECT_EQ(ErrorOf({"--num-feature=3"}), "there is no flag --num-feature; did you mean --num-features?");
  EXPECT_EQ(ErrorOf({"--zzzzzzzz"}), "there is no flag --zzzzzzzz");
  EXPECT_EQ(ErrorOf({"causal"}), "\"causal\" is not a flag; did you mean --causal?");
}

TEST_F(Flags, NamesMayHaveDashesForUnderscores) {
  EXPECT_TRUE(flags_.Parse({"--kernel", "Softmax-Regularized"}).ok());
  EXPECT_EQ(kernel_, client::Kernel::kSoftmaxRegularized);
}

TEST_F(Flags, ArgumentsAreTakenInOrderAndAllAfterTwoDashesAreSome) {
  EXPECT_THAT(ErrorOf({"text"}), HasSubstr("\"text\" is not a flag"));
  std::vector<std::string> arguments;
  flags_.AddArguments(&arguments);
  ASSERT_TRUE(flags_.Parse({"one", "--causal", "-", "--name", "Ann", "two", "--", "--kernel", "-x"}).ok());
  EXPECT_THAT(arguments, ElementsAre("one", "-", "two", "--kernel", "-x"));
  EXPECT_TRUE(causal_);
  EXPECT_EQ(name_, "Ann");
}

TEST_F(Flags, BadValuesNameFlagValueAndWhatIsAllowed) {
  EXPECT_EQ(ErrorOf({"--num-features", "many"}), "--num-features is \"many\", it must be an integer of 64 bits");
  EXPECT_EQ(ErrorOf({"--lengths", "1,,2"}),
            "--lengths is \"1,,2\", it must be integers with commas between them, such as 12,7,30");
  EXPECT_THAT(ErrorOf({"--deadline", "0s"}), HasSubstr("it must be a positive time such as 30s"));
  EXPECT_EQ(ErrorOf({"--causal=perhaps"}), "--causal is \"perhaps\", it must be true or false");
  EXPECT_EQ(ErrorOf({"--kernel", "sofmax"}),
            "--kernel is \"sofmax\", it must be one of softmax, gaussian, softmax_regularized, generalized, "
            "elu_plus_one, no_projection, taylor2, polynomial2; did you mean softmax?");
  EXPECT_EQ(ErrorOf({"--name"}), "--name needs a value");
}

TEST_F(Flags, HelpStopsParsing) {
  ASSERT_TRUE(flags_.Parse({"--help", "--nonsense"}).ok());
  EXPECT_TRUE(flags_.help_wanted());
}

TEST_F(Flags, HelpListsEveryFlagWithinTheWidth) {
  const std::string help = flags_.Help();
  for (const char* expected : {"Things:", "--kernel KERNEL", "--causal ", "One of softmax, gaussian,", "How long."}) {
    EXPECT_THAT(help, HasSubstr(expected));
  }
  size_t start = 0;
  for (size_t end = help.find('\n'); end != std::string::npos; start = end + 1, end = help.find('\n', start)) {
    EXPECT_LE(end - start, 100u) << help.substr(start, end - start);
  }
}

TEST_F(Flags, TheEnvironmentGivesWayToTheCommandLine) {
  flags_.BeginSection("Connection");
  std::string endpoint, ca_file;
  flags_.Add("endpoint", "ADDRESS", "Where.", &endpoint);
  flags_.Add("ca-file", "FILE", "Whom to trust.", &ca_file);
  flags_.ReadEnvironment([](const char* name) -> const char* {
    if (std::strcmp(name, "FAVOR_ENDPOINT") == 0) return "from-environment";
    if (std::strcmp(name, "FAVOR_CA_FILE") == 0) return "ca";
    if (std::strcmp(name, "FAVOR_NAME") == 0) return "of another section";
    return nullptr;
  });
  ASSERT_TRUE(flags_.Parse({"--endpoint", "from-command-line"}).ok());
  EXPECT_EQ(endpoint, "from-command-line");
  EXPECT_EQ(ca_file, "ca");
  EXPECT_EQ(name_, "nobody");
}

TEST_F(Flags, ABadEnvironmentVariableIsNamed) {
  flags_.ReadEnvironment([](const char* name) { return std::strcmp(name, "FAVOR_SCALE") == 0 ? "big" : nullptr; });
  EXPECT_EQ(ErrorOf({}), "FAVOR_SCALE is \"big\", it must be a number");
}

TEST(ClosestName, IsTheOneMeant) {
  const std::vector<std::string> names = {"queries", "query-lengths", "keys", "key-lengths", "values"};
  EXPECT_EQ(ClosestName("qeuries", names), "queries");
  EXPECT_EQ(ClosestName("key-length", names), "key-lengths");
  EXPECT_EQ(ClosestName("value", names), "values");
  EXPECT_EQ(ClosestName("projection", names), "");
  EXPECT_EQ(ClosestName("", names), "");
}

}  // namespace
}  // namespace favor::cli
