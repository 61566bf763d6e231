#ifndef FAVOR_SERVER_CONFIG_COMMAND_LINE_H_
#define FAVOR_SERVER_CONFIG_COMMAND_LINE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"

namespace favor {

// What a start of favord asks for.
struct CommandLine {
  enum class Action { kServe, kHelp, kVersion, kCheck };

  Action action = Action::kServe;
  ServerConfig config;
  // Where each setting came from: "default", "flag", "environment", or the file's path. One entry per setting.
  std::map<std::string, std::string> sources;
  // Variables FAVORD_* that are no setting. Not an error: an orchestrator may have put them there for a service of that
  // name.
  std::vector<std::string> unknown_variables;
};

// Reads flags over environment over the file of --config over defaults. `arguments` without the program's name,
// `environment` as NAME=VALUE. InvalidArgumentError names the setting and its source; NotFoundError when the file
// cannot be read.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& environment);

// The text of --help.
std::string HelpText();

// Every setting with its value in force and where it came from, as a file that --config would read.
std::string EffectiveSettings(const CommandLine& command_line);

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_COMMAND_LINE_H_
