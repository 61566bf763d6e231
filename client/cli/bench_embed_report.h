#ifndef FAVOR_CLIENT_CLI_BENCH_EMBED_REPORT_H_
#define FAVOR_CLIENT_CLI_BENCH_EMBED_REPORT_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "client/cli/json.h"
#include "client/embed.h"
#include "client/load/load_plan.h"
#include "client/load/load_result.h"

namespace favor::cli {

// All that `favor bench-embed` has to tell.
struct BenchEmbedReport {
  load::LoadPlan plan;
  int connections = 1;
  std::string endpoint;
  std::string texts;  // where they come from, for people
  int64_t num_texts = 0;
  int64_t inputs_per_call = 1;
  int64_t dimensions = 0;
  client::EmbedReport server;  // of the first call: what ran, and where
  load::LoadResult embed;

  double InputsPerSecond() const;
};

// Stable: gains fields and loses none. `favor bench-embed --help` describes it.
Json ToJson(const BenchEmbedReport& report);
void PrintText(const BenchEmbedReport& report, std::ostream& out);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_BENCH_EMBED_REPORT_H_
