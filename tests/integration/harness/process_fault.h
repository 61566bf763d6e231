#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_PROCESS_FAULT_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_PROCESS_FAULT_H_

#include <optional>
#include <string>
#include <vector>

namespace favor::testing {

// What was wrong with a child process that nobody may have looked at: a signal that only a fault of its own sends, or a
// sanitizer's report among what it wrote to stderr. nullopt when there is neither. `exit_code` as Process gives it.
std::optional<std::string> FaultOf(int exit_code, const std::string& err);

// The variables of this process's environment that a child needs for its sanitizers to do as this one's were told, as
// "NAME=value".
std::vector<std::string> SanitizerEnvironment();

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_PROCESS_FAULT_H_
