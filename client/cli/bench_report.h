#ifndef FAVOR_CLIENT_CLI_BENCH_REPORT_H_
#define FAVOR_CLIENT_CLI_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "client/attend.h"
#include "client/cli/json.h"
#include "client/load/attend_load.h"
#include "client/load/load_plan.h"
#include "client/load/load_result.h"

namespace favor::cli {

// All that `favor bench` has to tell.
struct BenchReport {
  load::LoadPlan plan;
  int connections = 1;
  std::string endpoint;
  load::AttendShape shape;
  client::AttendReport server;  // of the first call: what ran, and where
  int64_t request_bytes = 0;    // of one call
  int64_t response_bytes = 0;
  load::LoadResult attend;
  std::string echo_endpoint;
  std::optional<load::LoadResult> echo;

  // Positions answered per second, all heads of a position counted as one.
  double QueriesPerSecond() const;
  // What an Attend call takes beside its kernels, in echoes of the same bytes: the quotient of the two medians. Nothing
  // when one of them is missing.
  std::optional<double> EchoesBesideCompute() const;
};

// Stable: gains fields and loses none. `favor bench --help` describes it.
Json ToJson(const BenchReport& report);
void PrintText(const BenchReport& report, std::ostream& out);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_BENCH_REPORT_H_
