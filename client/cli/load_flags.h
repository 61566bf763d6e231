#ifndef FAVOR_CLIENT_CLI_LOAD_FLAGS_H_
#define FAVOR_CLIENT_CLI_LOAD_FLAGS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "client/cli/flags.h"
#include "client/cli/names.h"
#include "client/load/load_plan.h"

namespace favor::cli {

template <>
absl::Span<const Named<load::Arrivals>> NamesOf<load::Arrivals>();

// The flags of a load, the same in every command that makes one.
struct LoadFlags {
  load::LoadPlan plan;
  bool closed_loop = false;
  std::optional<int> concurrency;
  int connections = 1;

  // As a section of their own.
  void AddTo(FlagSet* flags);
  // Fills in what follows from other flags. InvalidArgumentError for flags that make no sense, alone or together.
  absl::Status Complete(const FlagSet& flags);
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_LOAD_FLAGS_H_
