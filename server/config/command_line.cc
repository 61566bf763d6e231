#include "server/config/command_line.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "favor/base/version.h"
#include "server/config/settings.h"

namespace favor {
namespace {

constexpr char kConfigVariable[] = "FAVORD_CONFIG";

// A value and where it stands, for errors and for --check.
struct Given {
  std::string value;
  std::string source;   // "flag", "environment", path of the file
  std::string context;  // "flag --threads", "FAVORD_THREADS", "favord.conf:3: threads"
};

// By the setting's name. One map per source; later sources are laid over earlier ones.
using Values = std::map<std::string, Given>;

absl::Status UsageError(absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(message, "; favord --help lists all settings"));
}

absl::Status ReadFlags(const std::vector<std::string>& arguments, CommandLine::Action* action, std::string* config_file,
                       Values* values) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      *action = CommandLine::Action::kHelp;
    } else if (argument == "--version") {
      *action = CommandLine::Action::kVersion;
    } else if (argument == "--check") {
      *action = CommandLine::Action::kCheck;
    } else {
      if (!absl::StartsWith(argument, "--")) return UsageError(absl::StrCat("'", argument, "' is no flag"));
      const std::pair<std::string, std::string> split = absl::StrSplit(argument.substr(2), absl::MaxSplits('=', 1));
      const std::string& name = split.first;
      const Setting* setting = FindSetting(name);
      if (setting == nullptr && name != "config") return UsageError(absl::StrCat("there is no flag --", name));
      std::string value = split.second;
      if (!absl::StrContains(argument, '=')) {
        if (++i == arguments.size()) return UsageError(absl::StrCat("flag --", name, " needs a value"));
        value = arguments[i];
      }
      if (name == "config") {
        *config_file = value;
        continue;
      }
      const auto [entry, is_first] = values->try_emplace(name);
      if (setting->is_list && !is_first) value = absl::StrCat(entry->second.value, ",", value);
      entry->second = {std::move(value), "flag", absl::StrCat("flag --", name)};
    }
  }
  return absl::OkStatus();
}

// Favord's own variables are read after them, and win.
void ReadStandardVariables(const std::vector<std::string>& environment, Values* values) {
  for (const Setting& setting : AllSettings()) {
    for (const std::string& name : setting.standard_variables) {
      for (const std::string& variable : environment) {
        const std::pair<std::string, std::string> split = absl::StrSplit(variable, absl::MaxSplits('=', 1));
        // An empty one counts as not set there.
        if (split.first != name || split.second.empty()) continue;
        values->try_emplace(setting.name, Given{split.second, "environment", name});
      }
    }
  }
}

void ReadEnvironment(const std::vector<std::string>& environment, std::string* config_file, Values* values,
                     std::vector<std::string>* unknown) {
  ReadStandardVariables(environment, values);
  for (const std::string& variable : environment) {
    if (!absl::StartsWith(variable, "FAVORD_")) continue;
    const std::pair<std::string, std::string> split = absl::StrSplit(variable, absl::MaxSplits('=', 1));
    bool known = split.first == kConfigVariable;
    if (known && config_file->empty()) *config_file = split.second;
    for (const Setting& setting : AllSettings()) {
      if (setting.EnvironmentName() != split.first) continue;
      (*values)[setting.name] = {split.second, "environment", split.first};
      known = true;
    }
    if (!known) unknown->push_back(split.first);
  }
}

absl::Status ReadConfigFile(const std::string& path, Values* values) {
  std::ifstream file(path);
  std::error_code ignored;  // a directory opens, and reads as an empty file
  if (!file || std::filesystem::is_directory(path, ignored))
    return absl::NotFoundError(absl::StrCat("cannot read the settings file ", path));
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    const std::string place = absl::StrCat(path, ":", ++number, ": ");
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#') continue;
    const std::pair<absl::string_view, absl::string_view> split = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (!absl::StrContains(text, '=')) return UsageError(absl::StrCat(place, "'", text, "' is not name = value"));
    const std::string name(absl::StripAsciiWhitespace(split.first));
    const Setting* setting = FindSetting(name);
    if (setting == nullptr) return UsageError(absl::StrCat(place, "there is no setting ", name));
    std::string value(absl::StripAsciiWhitespace(split.second));
    const auto [entry, is_first] = values->try_emplace(name);
    if (!is_first && !setting->is_list) return UsageError(absl::StrCat(place, name, " is set twice"));
    if (!is_first) value = absl::StrCat(entry->second.value, ",", value);
    entry->second = {std::move(value), path, absl::StrCat(place, name)};
  }
  return absl::OkStatus();
}

absl::Status Apply(const Values& values, CommandLine* command_line) {
  for (const Setting& setting : AllSettings()) {
    const auto found = values.find(setting.name);
    const bool is_given = found != values.end();
    const std::string& value = is_given ? found->second.value : setting.default_value;
    if (absl::Status status = setting.set(value, &command_line->config); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(is_given ? found->second.context : setting.name, ": ", status.message()));
    }
    command_line->sources[setting.name] = is_given ? found->second.source : "default";
  }
  return CheckTogether(command_line->config);
}

// Breaks at blanks so that no line is longer than `width`.
std::string Wrap(absl::string_view text, size_t width, absl::string_view indent) {
  std::string wrapped;
  size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (column > 0 && column + 1 + word.size() > width) {
      wrapped += "\n";
      column = 0;
    }
    absl::StrAppend(&wrapped, column == 0 ? indent : " ", word);
    column += word.size() + 1;
  }
  return wrapped + "\n";
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& environment) {
  CommandLine command_line;
  std::string config_file;
  Values values;
  if (absl::Status status = ReadFlags(arguments, &command_line.action, &config_file, &values); !status.ok()) {
    return status;
  }
  if (command_line.action == CommandLine::Action::kHelp || command_line.action == CommandLine::Action::kVersion) {
    return command_line;
  }
  // std::map::insert keeps what is there: the source read first wins.
  Values from_environment;
  ReadEnvironment(environment, &config_file, &from_environment, &command_line.unknown_variables);
  values.insert(from_environment.begin(), from_environment.end());
  if (!config_file.empty()) {
    Values from_file;
    if (absl::Status status = ReadConfigFile(config_file, &from_file); !status.ok()) return status;
    values.insert(from_file.begin(), from_file.end());
  }
  if (absl::Status status = Apply(values, &command_line); !status.ok()) return status;
  return command_line;
}

std::string HelpText() {
  std::string text =
      absl::StrCat("favord ", kVersion,
                   ": FAVOR+ linear attention and embeddings as a gRPC service\n\n"
                   "Usage: favord [--SETTING VALUE | --SETTING=VALUE]...\n\n"
                   "  --config FILE    read settings from lines `name = value`; # starts a comment line [",
                   kConfigVariable,
                   "]\n"
                   "  --check          validate the settings, read certificates, keys and models, print the settings\n"
                   "                   and where each came from, and exit\n"
                   "  --version        print the version and exit\n"
                   "  --help           print this and exit\n\n"
                   "Every setting is a flag, an environment variable and a name in the file; a flag wins over the\n"
                   "environment, the environment over the file.\n\n"
                   "Settings\n");
  for (const Setting& setting : AllSettings()) {
    absl::StrAppend(&text, "  --", setting.name, " ", setting.value_hint, "  [", setting.EnvironmentName());
    for (const std::string& name : setting.standard_variables) absl::StrAppend(&text, ", ", name);
    text += "]\n";
    text += Wrap(setting.help, 88, "      ");
    const std::string range = setting.range.empty() ? "" : absl::StrCat("; ", setting.range);
    absl::StrAppend(&text, "      Default: ", setting.default_value.empty() ? "none" : setting.default_value, range,
                    ".\n");
  }
  absl::StrAppend(
      &text,
      "\nExamples\n"
      "  favord\n"
      "  favord --address 0.0.0.0:50051 --metrics-address 0.0.0.0:9464\n"
      "  favord --address 127.0.0.1:50051,unix:/run/favord/favord.sock --max-message-size 1GiB\n"
      "  favord --model minilm=/models/all-MiniLM-L6-v2\n"
      "  FAVORD_THREADS=4 favord --config /etc/favord.conf --check\n\n"
      "SIGTERM and SIGINT drain: health turns NOT_SERVING, calls go on for drain-delay, then calls in\n"
      "flight have drain-timeout to finish. A second signal ends the waiting. SIGHUP looks at certificates\n"
      "and keys and loads all models anew.\n"
      "Exit codes: 0 after a drain, 1 when the server cannot start, 2 for wrong settings.\n");
  return text;
}

std::string EffectiveSettings(const CommandLine& command_line) {
  std::string text;
  for (const Setting& setting : AllSettings()) {
    absl::StrAppend(&text, "# from ", command_line.sources.at(setting.name), "\n", setting.name, " = ",
                    setting.show(command_line.config), "\n");
  }
  return text;
}

}  // namespace favor
