#ifndef FAVOR_CLIENT_CLI_EMBED_OUTCOME_H_
#define FAVOR_CLIENT_CLI_EMBED_OUTCOME_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/json.h"
#include "client/cli/nearest.h"
#include "client/embed.h"

namespace favor::cli {

// All that `favor embed` has to tell.
struct EmbedOutcome {
  std::vector<client::EmbedInput> inputs;
  client::Embeddings embeddings;
  std::vector<std::vector<Neighbour>> nearest;  // [inputs]; empty unless asked for
  std::string output_file;                      // empty when there is none
  int64_t excerpt_rows = 0;
  bool all_tokens = false;  // a vector for each token was asked for

  int64_t NumFailed() const;
  double TokensPerSecond() const;
};

// Stable: gains fields and loses none. `favor embed --help` describes it. Vectors are left out when they are in a file.
Json ToJson(const EmbedOutcome& outcome);
void PrintText(const EmbedOutcome& outcome, std::ostream& out);

// The same of one result: an entry of "results", a line and one for each of its first vectors.
Json ResultToJson(const client::EmbedInput& input, const client::EmbedResult& result, bool all_tokens,
                  bool with_vectors);
void PrintResult(int64_t index, const client::EmbedInput& input, const client::EmbedResult& result, std::ostream& out);

// Writes the vectors as the help of --output says. NotFoundError when there are none.
absl::Status SaveVectors(const std::string& path, bool all_tokens, const client::Embeddings& embeddings);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_EMBED_OUTCOME_H_
