#include "client/cli/models_command.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/connection_flags.h"
#include "client/cli/failure.h"
#include "client/cli/flags.h"
#include "client/cli/json.h"
#include "client/cli/names.h"
#include "client/cli/progress.h"
#include "client/cli/report_text.h"
#include "client/client.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Lists the models of a server, has it load one from its own disk, or has it forget one.

Usage: favor models [flags]
       favor models load NAME=FOLDER [flags]
       favor models load NAME [flags]
       favor models unload NAME [flags]

Examples:
  favor models
  favor models load minilm=/models/all-MiniLM-L6-v2
  favor models load minilm
  favor models unload minilm --json

FOLDER is on the server's disk; without it the model is loaded anew from where it came. Calls under way
finish on the old one. A server must have been told to serve load and unload.

--json prints one object: models [{name, path, model_id, architecture, dimensions, max_tokens (0: any
number), vocabulary_size, has_tokenizer, pooling (unspecified: several), poolings, normalizes, prompts,
default_prompt (empty: none), num_parameters, memory_bytes}];
load: loaded, such an object; unload: unloaded, the name.

Exit code: 0 done, 1 a server failed, 2 the command line makes no sense.
)";

// Reading a large model from a cold disk takes its time.
constexpr absl::Duration kDefaultDeadline = absl::Minutes(5);

std::vector<std::string> PoolingNames(const client::ModelInfo& model) {
  std::vector<std::string> names;
  for (const client::Pooling pooling : model.poolings) names.push_back(NameOfValue(pooling));
  return names;
}

// "mean, unit", "cls+max"
std::string PoolingCell(const client::ModelInfo& model) {
  return absl::StrCat(absl::StrJoin(PoolingNames(model), "+"), model.normalizes ? ", unit" : "");
}

Json ToJson(const client::ModelInfo& model) {
  return {{"name", model.name},
          {"path", model.path},
          {"model_id", model.model_id},
          {"architecture", model.architecture},
          {"dimensions", model.dimensions},
          {"max_tokens", model.max_tokens},
          {"vocabulary_size", model.vocabulary_size},
          {"has_tokenizer", model.has_tokenizer},
          {"pooling", NameOfValue(model.pooling)},
          {"poolings", PoolingNames(model)},
          {"normalizes", model.normalizes},
          {"prompts", model.prompts},
          {"default_prompt", model.default_prompt},
          {"num_parameters", model.num_parameters},
          {"memory_bytes", model.memory_bytes}};
}

void PrintTable(const std::vector<client::ModelInfo>& models, std::ostream& out) {
  if (models.empty()) {
    out << "no models are loaded\n";
    return;
  }
  int width = 4, pooling_width = 12;
  for (const client::ModelInfo& model : models) {
    width = std::max(width, static_cast<int>(model.name.size()));
    pooling_width = std::max(pooling_width, static_cast<int>(PoolingCell(model).size()));
  }
  out << absl::StrFormat("%-*s  %-18s %6s %8s  %-*s %-6s %12s %10s  %s\n", width, "name", "architecture", "dims",
                         "tokens", pooling_width, "pooling", "takes", "parameters", "memory", "id");
  for (const client::ModelInfo& model : models) {
    const std::string tokens = model.max_tokens == 0 ? "any" : absl::StrCat(model.max_tokens);
    out << absl::StrFormat("%-*s  %-18s %6d %8s  %-*s %-6s %12d %10s  %s\n", width, model.name, model.architecture,
                           model.dimensions, tokens, pooling_width, PoolingCell(model),
                           model.has_tokenizer ? "text" : "ids", model.num_parameters, Bytes(model.memory_bytes),
                           model.model_id.substr(0, 8));
  }
  for (const client::ModelInfo& model : models) {
    if (model.default_prompt.empty()) continue;
    const auto prompt = model.prompts.find(model.default_prompt);
    out << model.name << " puts its prompt " << model.default_prompt;
    if (prompt != model.prompts.end()) out << ", \"" << prompt->second << "\",";
    out << " in front of texts unless told otherwise\n";
  }
}

ExitCode List(const client::Client& client, const ConnectionFlags& connection, const Console& console) {
  const absl::StatusOr<std::vector<client::ModelInfo>> models = client.ListModels();
  if (!models.ok()) return Fail(models.status(), "models", connection, console);
  if (!connection.json) {
    PrintTable(*models, console.out);
    return kExitOk;
  }
  Json json = {{"models", Json::array()}};
  for (const client::ModelInfo& model : *models) json["models"].push_back(ToJson(model));
  console.out << ToText(json) << "\n";
  return kExitOk;
}

absl::StatusOr<client::ModelInfo> LoadWithProgress(const client::Client& client, const std::string& name,
                                                   const std::string& folder, const ConnectionFlags& connection,
                                                   const Console& console) {
  const Progress progress(console, absl::StrCat("loading ", name), connection.deadline);
  return client.LoadModel(name, folder);
}

ExitCode Load(const client::Client& client, const std::string& name_and_folder, const ConnectionFlags& connection,
              const Console& console) {
  const size_t equals = name_and_folder.find('=');
  const std::string name = name_and_folder.substr(0, equals);
  const std::string folder = equals == std::string::npos ? "" : name_and_folder.substr(equals + 1);
  const absl::StatusOr<client::ModelInfo> model = LoadWithProgress(client, name, folder, connection, console);
  if (!model.ok()) return Fail(model.status(), "models", connection, console);
  if (connection.json) {
    console.out << ToText({{"loaded", ToJson(*model)}}) << "\n";
  } else {
    PrintTable({*model}, console.out);
  }
  return kExitOk;
}

ExitCode Unload(const client::Client& client, const std::string& name, const ConnectionFlags& connection,
                const Console& console) {
  if (absl::Status status = client.UnloadModel(name); !status.ok()) return Fail(status, "models", connection, console);
  if (connection.json) {
    console.out << ToText({{"unloaded", name}}) << "\n";
  } else {
    console.out << "unloaded " << name << "\n";
  }
  return kExitOk;
}

// InvalidArgumentError unless the words are one of the forms in the help.
absl::Status Validate(const std::vector<std::string>& words) {
  if (words.empty()) return absl::OkStatus();
  if (words[0] != "load" && words[0] != "unload") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", words[0], "\" is neither load nor unload", DidYouMean(words[0], {"load", "unload"})));
  }
  const bool load = words[0] == "load";
  if (words.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(words[0], " takes ", load ? "NAME=FOLDER or NAME" : "NAME"));
  }
  const size_t equals = words[1].find('=');
  if (words[1].empty() || equals == 0 || (load && equals == words[1].size() - 1)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", words[1], "\" lacks a name or a folder"));
  }
  return absl::OkStatus();
}

}  // namespace

ExitCode RunModels(absl::Span<const std::string> arguments, const Console& console) {
  std::vector<std::string> words;
  ConnectionFlags connection;
  connection.deadline = kDefaultDeadline;
  FlagSet flags;
  flags.AddArguments(&words);
  connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) return FailUsage(status.message(), "models", console);
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  if (absl::Status status = Validate(words); !status.ok()) return FailUsage(status.message(), "models", console);
  const absl::StatusOr<client::Client> client = Connect(connection);
  if (!client.ok()) return Fail(client.status(), "models", connection, console);
  if (words.empty()) return List(*client, connection, console);
  return words[0] == "load" ? Load(*client, words[1], connection, console)
                            : Unload(*client, words[1], connection, console);
}

}  // namespace favor::cli
