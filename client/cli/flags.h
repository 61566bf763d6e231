#ifndef FAVOR_CLIENT_CLI_FLAGS_H_
#define FAVOR_CLIENT_CLI_FLAGS_H_

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/cli/flag_values.h"

namespace favor::cli {

// The flags of one command: a table, filled by Add, from which both parsing and help follow. A flag is written
// --name value or --name=value; a switch (a bool) --name, or --name=false. The last of several holds.
class FlagSet {
 public:
  // Flags added after this stand below `title` in the help.
  void BeginSection(std::string title);

  // `value_name` is what the help calls the value, as in "FILE". `target` must outlive the set; what it holds now is
  // the default.
  template <typename T>
  void Add(std::string name, std::string value_name, std::string help, T* target) {
    flags_.push_back({std::move(name), std::move(value_name), std::move(help), section_,
                      [target](absl::string_view text) { return ParseValue(text, target); }});
    if constexpr (std::is_enum_v<T>) DescribeChoices(Choices<T>());
  }
  template <typename E>
  requires std::is_enum_v<E>
  void Add(std::string name, std::string value_name, std::string help, std::optional<E>* target) {
    flags_.push_back({std::move(name), std::move(value_name), std::move(help), section_,
                      [target](absl::string_view text) { return ParseValue(text, target); }});
    DescribeChoices(Choices<E>());
  }
  // A switch.
  void Add(std::string name, std::string help, bool* target);

  // Takes arguments that are no flags, in their order; what follows a lone "--" is none. Without this there may be
  // none.
  void AddArguments(std::vector<std::string>* target) { arguments_ = target; }

  // Until Parse, every flag added since the last BeginSection also takes its value from the environment: FAVOR_CA for
  // --ca. The command line wins.
  void ReadEnvironment(const std::function<const char*(const char*)>& get);

  // InvalidArgumentError for whatever is not a flag of this set, naming the closest one, and for values that do not
  // fit. Stops at --help, after which help_wanted() is true.
  absl::Status Parse(absl::Span<const std::string> arguments);

  bool help_wanted() const { return help_wanted_; }
  // Whether a flag was given, on the command line or by the environment.
  bool IsSet(absl::string_view name) const;

  // All sections, one flag after the other, at most 100 columns wide.
  std::string Help() const;

 private:
  struct Flag {
    std::string name;
    std::string value_name;  // empty for a switch
    std::string help;
    std::string section;
    std::function<absl::Status(absl::string_view)> set;
    bool is_set = false;
  };

  void DescribeChoices(const std::string& choices);
  absl::Status Set(Flag* flag, absl::string_view text, absl::string_view shown_name);
  std::vector<std::string> Names() const;

  std::string section_;
  std::vector<std::string>* arguments_ = nullptr;
  std::vector<Flag> flags_;
  std::vector<std::pair<std::string, std::string>> environment_;  // name of a flag, its value
  bool help_wanted_ = false;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_FLAGS_H_
