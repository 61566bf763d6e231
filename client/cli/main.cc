#include <malloc.h>
#include <unistd.h>

#include <climits>
#include <iostream>
#include <string>
#include <vector>

#include "client/cli/commands.h"

namespace {

// As favord does: by default glibc takes every message's megabytes from the system and gives them back, page fault by
// page fault. A command ends soon and needs give nothing back.
void TuneMalloc() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 16 << 20);
  mallopt(M_ARENA_MAX, 1);
}

}  // namespace

int main(int argc, char** argv) {
  TuneMalloc();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return favor::cli::RunFavor(arguments, {std::cout, std::cerr, isatty(STDERR_FILENO) != 0});
}
