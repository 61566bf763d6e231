#ifndef FAVOR_TESTS_CLIENT_CLI_RUN_FAVOR_H_
#define FAVOR_TESTS_CLIENT_CLI_RUN_FAVOR_H_

#include <sstream>
#include <string>
#include <vector>

#include "client/cli/commands.h"

namespace favor::testing {

struct FavorRun {
  int exit_code = -1;
  std::string out;
  std::string error;
};

// Runs the command in this process, `input` on its standard input.
inline FavorRun RunFavor(const std::vector<std::string>& arguments, const std::string& input = "") {
  std::ostringstream out, error;
  std::istringstream in(input);
  const int exit_code = cli::RunFavor(arguments, {out, error, false, in});
  return {exit_code, out.str(), error.str()};
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_CLIENT_CLI_RUN_FAVOR_H_
