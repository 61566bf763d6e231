#ifndef FAVOR_SERVER_CONFIG_SETTINGS_H_
#define FAVOR_SERVER_CONFIG_SETTINGS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/config/server_config.h"

namespace favor {

// One knob: flag --name, environment variable FAVORD_NAME, line `name = value` in a file, an entry in --help. All of
// them follow from this entry.
struct Setting {
  std::string name;           // "max-message-size"
  std::string value_hint;     // "BYTES"
  std::string default_value;  // as the user would write it
  std::string range;          // "1KiB to 2147483647"; empty when any value will do
  std::string help;
  // Variables of an agreement wider than favord's, read where favord's own is not set; the first that is set counts.
  std::vector<std::string> standard_variables = {};
  bool is_list = false;  // the flag may be repeated, and values may be separated by commas
  // Parses, checks the range, stores. InvalidArgumentError tells what is wrong with the value.
  std::function<absl::Status(absl::string_view value, ServerConfig* config)> set = {};
  // The value in force, "auto" resolved.
  std::function<std::string(const ServerConfig&)> show = {};

  std::string EnvironmentName() const;  // "FAVORD_MAX_MESSAGE_SIZE"
};

// All settings, in the order of --help.
const std::vector<Setting>& AllSettings();

// Null when there is none of that name.
const Setting* FindSetting(absl::string_view name);

// What no single setting can check: that those which belong together are there together.
absl::Status CheckTogether(const ServerConfig& config);

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_SETTINGS_H_
