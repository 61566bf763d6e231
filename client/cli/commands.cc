#include "client/cli/commands.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/attend_command.h"
#include "client/cli/bench_command.h"
#include "client/cli/bench_embed_command.h"
#include "client/cli/calibrate_command.h"
#include "client/cli/closest_name.h"
#include "client/cli/echo_server_command.h"
#include "client/cli/embed_command.h"
#include "client/cli/health_command.h"
#include "client/cli/info_command.h"
#include "client/cli/json.h"
#include "client/cli/models_command.h"
#include "client/cli/shard_command.h"
#include "client/cli/stream_command.h"
#include "client/cli/tokenize_command.h"
#include "favor/base/version.h"

namespace favor::cli {
namespace {

ExitCode RunVersion(absl::Span<const std::string> arguments, const Console& console);
ExitCode RunHelp(absl::Span<const std::string> arguments, const Console& console);

struct Command {
  const char* name;
  const char* summary;
  ExitCode (*run)(absl::Span<const std::string> arguments, const Console& console);
};

constexpr Command kCommands[] = {
    {"attend", "attention of queries, keys and values", RunAttend},
    {"stream", "attention of a sequence of any length, over replicas", RunStream},
    {"shard", "one long sequence over several servers at once", RunShard},
    {"calibrate", "what an estimator needs to know of queries and keys", RunCalibrate},
    {"embed", "embeddings of texts or token ids", RunEmbed},
    {"tokenize", "how a model cuts texts into tokens", RunTokenize},
    {"models", "the models of a server; loads and unloads them", RunModels},
    {"bench", "latency and throughput of a server under load", RunBench},
    {"bench-embed", "the same with embeddings", RunBenchEmbed},
    {"info", "what a server is and what it accepts", RunInfo},
    {"health", "whether a server takes calls; for checks", RunHealth},
    {"echo-server", "a plain gRPC echo, for favor bench to compare with", RunEchoServer},
    {"version", "the version of this program", RunVersion},
    {"help", "this text, or that of a command", RunHelp},
};

const Command* Find(absl::string_view name) {
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [name](const Command& command) { return command.name == name; });
  return found == std::end(kCommands) ? nullptr : found;
}

ExitCode FailUnknown(const std::string& name, const Console& console) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  console.error << "favor: there is no command \"" << name << "\"" << DidYouMean(name, names) << "\nTry: favor help\n";
  return kExitUsage;
}

std::string Overview() {
  std::string text = absl::StrCat("favor ", kVersion,
                                  ": linear attention and embeddings as a service, from the command line.\n\n"
                                  "Usage: favor COMMAND [flags]\n\nCommands:\n");
  for (const Command& command : kCommands) absl::StrAppendFormat(&text, "  %-13s%s\n", command.name, command.summary);
  absl::StrAppend(&text,
                  "\nExamples:\n"
                  "  favor health\n"
                  "  favor attend --input qkv.safetensors --compare\n"
                  "  favor embed \"a cat on a mat\" \"a kitten on a rug\" --nearest\n"
                  "  favor bench --rate 100 --length 16\n"
                  "  favor attend --help\n"
                  "\nThe server is --endpoint, or FAVOR_ENDPOINT, or 127.0.0.1:50051.\n"
                  "Exit code: 0 done, 1 a server or a file failed, 2 the command line makes no sense.\n");
  return text;
}

ExitCode RunHelp(absl::Span<const std::string> arguments, const Console& console) {
  if (arguments.empty() || arguments[0] == "help" || arguments[0] == "--help") {
    console.out << Overview();
    return kExitOk;
  }
  const Command* command = Find(arguments[0]);
  if (command == nullptr) return FailUnknown(arguments[0], console);
  return command->run({"--help"}, console);
}

ExitCode RunVersion(absl::Span<const std::string> arguments, const Console& console) {
  if (arguments.empty()) {
    console.out << "favor " << kVersion << "\n";
    return kExitOk;
  }
  if (arguments[0] == "--json") {
    console.out << ToText({{"version", kVersion}}) << "\n";
    return kExitOk;
  }
  const bool help = arguments[0] == "--help" || arguments[0] == "-h";
  (help ? console.out : console.error) << "Usage: favor version [--json]\n";
  return help ? kExitOk : kExitUsage;
}

ExitCode RunCommand(absl::Span<const std::string> arguments, const Console& console) {
  if (arguments.empty()) {
    console.error << Overview();
    return kExitUsage;
  }
  const std::string& name = arguments[0];
  arguments.remove_prefix(1);
  if (name == "--help" || name == "-h") return RunHelp(arguments, console);
  if (name == "--version") return RunVersion(arguments, console);
  const Command* command = Find(name);
  return command == nullptr ? FailUnknown(name, console) : command->run(arguments, console);
}

}  // namespace

ExitCode RunFavor(absl::Span<const std::string> arguments, const Console& console) {
  const ExitCode code = RunCommand(arguments, console);
  console.out.flush();
  if (console.out.good() || code != kExitOk) return code;
  console.error << "favor: standard output takes no more\n";
  return kExitFailure;
}

}  // namespace favor::cli
