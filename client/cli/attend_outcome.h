#ifndef FAVOR_CLIENT_CLI_ATTEND_OUTCOME_H_
#define FAVOR_CLIENT_CLI_ATTEND_OUTCOME_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "client/attend.h"
#include "client/cli/comparison.h"
#include "client/cli/json.h"
#include "client/cli/tensor_files.h"

namespace favor::cli {

// All that `favor attend` has to tell.
struct AttendOutcome {
  LoadedInputs inputs;
  client::AttendResult result;
  std::vector<int64_t> output_shape;     // as it is written and printed
  std::string output_file;               // empty: not written
  std::optional<Comparison> comparison;  // with --compare
  absl::Duration exact_round_trip;       // with --compare
  int64_t excerpt_rows = 0;

  // The first rows of the output, excerpt_rows at most, in the order of its memory.
  std::vector<std::vector<float>> FirstRows() const;

  // Positions answered per second of the round trip, all heads of a position counted as one.
  double QueriesPerSecond() const;
};

// Why the answer's error deserves a second look; empty if it does not.
std::string Verdict(const AttendOutcome& outcome);

Json ToJson(const AttendOutcome& outcome);
void PrintText(const AttendOutcome& outcome, std::ostream& out);

// Every field that is set, by the proto's names; enumerations by their names on the command line.
Json SpecToJson(const client::AttentionSpec& spec);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_ATTEND_OUTCOME_H_
