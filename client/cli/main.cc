#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "client/cli/commands.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return favor::cli::RunFavor(arguments, {std::cout, std::cerr, isatty(STDERR_FILENO) != 0});
}
