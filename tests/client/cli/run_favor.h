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

// Runs the command in this process.
inline FavorRun RunFavor(const std::vector<std::string>& arguments) {
  std::ostringstream out, error;
  const int exit_code = cli::RunFavor(arguments, {out, error, false});
  return {exit_code, out.str(), error.str()};
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_CLIENT_CLI_RUN_FAVOR_H_
