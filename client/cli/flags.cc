#include "client/cli/flags.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/wrap.h"

namespace favor::cli {
namespace {

constexpr size_t kHelpIndent = 30;

std::string EnvironmentName(absl::string_view flag) {
  return absl::StrCat("FAVOR_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

}  // namespace

void FlagSet::BeginSection(std::string title) { section_ = std::move(title); }

void FlagSet::Add(std::string name, std::string help, bool* target) {
  Add(std::move(name), "", std::move(help), target);
}

void FlagSet::DescribeChoices(const std::string& choices) {
  absl::StrAppend(&flags_.back().help, " One of ", choices, ".");
}

void FlagSet::ReadEnvironment(const std::function<const char*(const char*)>& get) {
  for (Flag& flag : flags_) {
    if (flag.section != section_) continue;
    const std::string variable = EnvironmentName(flag.name);
    if (const char* value = get(variable.c_str()); value != nullptr && *value != '\0') {
      environment_.emplace_back(flag.name, value);
    }
  }
}

absl::Status FlagSet::Set(Flag* flag, absl::string_view text, absl::string_view shown_name) {
  const absl::Status status = flag->set(text);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(shown_name, " is \"", text, "\", it must be ", status.message()));
  }
  flag->is_set = true;
  return absl::OkStatus();
}

absl::Status FlagSet::Parse(absl::Span<const std::string> arguments) {
  const auto find = [this](absl::string_view name) {
    return std::find_if(flags_.begin(), flags_.end(), [name](const Flag& flag) { return flag.name == name; });
  };
  for (const auto& [name, value] : environment_) {
    if (absl::Status status = Set(&*find(name), value, EnvironmentName(name)); !status.ok()) return status;
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      help_wanted_ = true;
      return absl::OkStatus();
    }
    if (arguments_ != nullptr && argument == "--") {
      arguments_->insert(arguments_->end(), arguments.begin() + i + 1, arguments.end());
      return absl::OkStatus();
    }
    if (!absl::ConsumePrefix(&argument, "--")) {
      if (arguments_ != nullptr) {
        arguments_->emplace_back(argument);
        continue;
      }
      return absl::InvalidArgumentError(
          absl::StrCat("\"", argument, "\" is not a flag", DidYouMean(argument, Names(), "--")));
    }
    const size_t equals = argument.find('=');
    const absl::string_view name = argument.substr(0, equals);
    const auto flag = find(name);
    if (flag == flags_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no flag --", name, DidYouMean(name, Names(), "--")));
    }
    absl::string_view value = "true";
    if (equals != absl::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (!flag->value_name.empty()) {
      if (++i == arguments.size()) return absl::InvalidArgumentError(absl::StrCat("--", name, " needs a value"));
      value = arguments[i];
    }
    if (absl::Status status = Set(&*flag, value, absl::StrCat("--", name)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

bool FlagSet::IsSet(absl::string_view name) const {
  return std::any_of(flags_.begin(), flags_.end(),
                     [name](const Flag& flag) { return flag.name == name && flag.is_set; });
}

std::vector<std::string> FlagSet::Names() const {
  std::vector<std::string> names = {"help"};
  for (const Flag& flag : flags_) names.push_back(flag.name);
  return names;
}

std::string FlagSet::Help() const {
  std::string help, section;
  for (const Flag& flag : flags_) {
    if (flag.section != section) {
      section = flag.section;
      absl::StrAppend(&help, "\n", section, ":\n");
    }
    std::string left = absl::StrCat("  --", flag.name, flag.value_name.empty() ? "" : " ", flag.value_name);
    if (left.size() + 2 > kHelpIndent) {
      absl::StrAppend(&left, "\n", std::string(kHelpIndent, ' '));
    } else {
      left.resize(kHelpIndent, ' ');
    }
    absl::StrAppend(&help, left, Wrap(flag.help, kHelpIndent), "\n");
  }
  return help;
}

}  // namespace favor::cli
