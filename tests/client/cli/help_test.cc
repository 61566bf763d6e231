#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <streambuf>
#include <string>
#include <vector>

#include "client/cli/attend_flags.h"
#include "client/cli/console.h"
#include "favor/base/version.h"
#include "tests/client/cli/run_favor.h"

namespace favor::cli {
namespace {

using favor::testing::FavorRun;
using favor::testing::RunFavor;
using ::testing::HasSubstr;

TEST(Help, OfEveryCommandHasExamplesAndGoesToStandardOutput) {
  for (const std::string command : {"attend", "stream", "shard", "calibrate", "embed", "tokenize", "models", "bench",
                                    "bench-embed", "info", "health"}) {
    const FavorRun run = RunFavor({command, "--help"});
    EXPECT_EQ(run.exit_code, kExitOk);
    EXPECT_EQ(run.error, "");
    for (const char* part : {"Usage: favor", "Examples:", "Exit code:", "--endpoint ADDRESS", "--json"}) {
      EXPECT_THAT(run.out, HasSubstr(part)) << command;
    }
    EXPECT_EQ(RunFavor({"help", command}).out, run.out);
  }
}

TEST(Help, OfTheProgramListsTheCommands) {
  for (const char* flag : {"help", "--help", "-h"}) {
    const FavorRun run = RunFavor({flag});
    EXPECT_EQ(run.exit_code, kExitOk);
    for (const char* command : {"attend", "stream", "shard", "calibrate", "embed", "tokenize", "models", "bench",
                                "bench-embed", "info", "health", "echo-server", "version", "help"})
      EXPECT_THAT(run.out, HasSubstr(command));
  }
}

// Takes nothing, as /dev/full.
class FullBuffer : public std::streambuf {};

TEST(Help, ThatStandardOutputDoesNotTakeIsAFailure) {
  FullBuffer full;
  std::ostream out(&full);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"help"}, {"version"}, {"attend", "--help"}}) {
    std::ostringstream error;
    EXPECT_EQ(cli::RunFavor(arguments, {out, error}), kExitFailure);
    EXPECT_EQ(error.str(), "favor: standard output takes no more\n");
  }
  std::ostringstream error;
  EXPECT_EQ(cli::RunFavor({"attend"}, {out, error}), kExitUsage);
}

TEST(Help, AttendNamesEveryFieldOfTheRequest) {
  const std::string help = RunFavor({"attend", "--help"}).out;
  for (const char* flag : {"queries",
                           "keys",
                           "values",
                           "query-lengths",
                           "key-lengths",
                           "query-offsets",
                           "key-offsets",
                           "output-type",
                           "measure-error-rows",
                           "causal",
                           "scale",
                           "layout",
                           "mode",
                           "precision",
                           "max-relative-error",
                           "time-budget",
                           "when-missed",
                           "kernel",
                           "estimator",
                           "num-features",
                           "projection",
                           "row-norms",
                           "seed",
                           "projection-matrix",
                           "nonlinearity",
                           "polynomial-offset",
                           "epsilon-parity",
                           "feature-epsilon",
                           "causal-epsilon",
                           "statistics",
                           "antithetic",
                           "precondition",
                           "num-exact-keys",
                           "num-anchors",
                           "num-fit-rows"}) {
    EXPECT_THAT(help, HasSubstr(std::string("  --") + flag + " "));
  }
}

TEST(Help, EmbedNamesEveryFieldOfTheRequest) {
  const std::string help = RunFavor({"embed", "--help"}).out;
  for (const char* flag :
       {"input", "ids", "model", "pooling", "normalize", "no-normalize", "over-length", "overlap", "type", "dimensions",
        "prompt", "prompt-name", "attention", "num-features", "output", "nearest"}) {
    EXPECT_THAT(help, HasSubstr(std::string("  --") + flag + " "));
  }
}

TEST(Usage, MistakesGoToStandardErrorWithCodeTwo) {
  const FavorRun none = RunFavor({});
  EXPECT_EQ(none.exit_code, kExitUsage);
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.error, HasSubstr("Commands:"));
  const FavorRun unknown = RunFavor({"atend"});
  EXPECT_EQ(unknown.exit_code, kExitUsage);
  EXPECT_THAT(unknown.error, HasSubstr("there is no command \"atend\"; did you mean attend?"));
  EXPECT_EQ(RunFavor({"help", "atend"}).exit_code, kExitUsage);
  const FavorRun flag = RunFavor({"info", "--endpont", "x"});
  EXPECT_EQ(flag.exit_code, kExitUsage);
  EXPECT_THAT(flag.error, HasSubstr("favor info: there is no flag --endpont; did you mean --endpoint?"));
  EXPECT_EQ(RunFavor({"info", "--retries", "-1"}).exit_code, kExitUsage);
  const FavorRun priority = RunFavor({"info", "--priority", "urgent"});
  EXPECT_EQ(priority.exit_code, kExitUsage);
  EXPECT_THAT(priority.error, HasSubstr("--priority is \"urgent\", it must be one of low, normal, high"));
  EXPECT_EQ(RunFavor({"version", "--what"}).exit_code, kExitUsage);
}

TEST(Usage, AttendRefusesFlagsThatContradictEachOther) {
  const auto error = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "attend");
    const FavorRun run = RunFavor(arguments);
    EXPECT_EQ(run.exit_code, kExitUsage) << run.error;
    return run.error;
  };
  EXPECT_THAT(error({}), HasSubstr("give either --queries, --keys and --values, or --input"));
  EXPECT_THAT(error({"--queries", "q.npy", "--keys", "k.npy"}), HasSubstr("give either"));
  EXPECT_THAT(error({"--input", "a.safetensors", "--keys", "k.npy"}), HasSubstr("give either"));
  EXPECT_THAT(error({"--input", "a", "--output", "out.txt"}),
              HasSubstr("--output is \"out.txt\", it must end in .npy or .safetensors"));
  EXPECT_THAT(error({"--input", "a", "--mode", "exact", "--seed", "1"}),
              HasSubstr("--seed needs --mode features, the mode is exact"));
  EXPECT_THAT(error({"--input", "a", "--when-missed", "warn"}), HasSubstr("--when-missed needs --mode auto"));
  EXPECT_THAT(error({"--input", "a", "--mode", "auto"}), HasSubstr("--mode auto needs --max-relative-error"));
  EXPECT_THAT(error({"--input", "a", "--rows", "-1"}), HasSubstr("--rows is -1, the least is 0"));
}

TEST(Version, IsThatOfTheProject) {
  EXPECT_EQ(RunFavor({"version"}).out, std::string("favor ") + kVersion + "\n");
  EXPECT_EQ(RunFavor({"--version"}).out, std::string("favor ") + kVersion + "\n");
  EXPECT_THAT(RunFavor({"version", "--json"}).out, HasSubstr(std::string("\"version\": \"") + kVersion));
}

}  // namespace
}  // namespace favor::cli
