#ifndef FAVOR_CLIENT_CLI_CONSOLE_H_
#define FAVOR_CLIENT_CLI_CONSOLE_H_

#include <iostream>

namespace favor::cli {

// Where a command writes: results to `out`, everything else to `error`.
struct Console {
  std::ostream& out;
  std::ostream& error;
  // Whether somebody watches `error`: only then a progress bar is drawn.
  bool error_is_terminal = false;
  // What "-" reads in place of a file.
  std::istream& in = std::cin;
};

// What the command returns to its caller.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,  // the server refused or could not be reached, a file could not be read or written, not healthy
  kExitUsage = 2,    // the command line makes no sense; nothing was sent
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_CONSOLE_H_
