#ifndef FAVOR_CLIENT_CLI_LONG_INPUT_FLAGS_H_
#define FAVOR_CLIENT_CLI_LONG_INPUT_FLAGS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attention_spec.h"
#include "client/cli/console.h"
#include "client/cli/flags.h"
#include "client/cli/row_output.h"
#include "client/cli/row_source.h"
#include "client/cli/tensor_files.h"

namespace favor::cli {

// The flags of commands that take a sequence too long for one call: where it comes from, in what pieces, where the
// output goes.
struct LongInputFlags {
  InputFiles files;
  client::Layout layout = client::Layout::kUnspecified;
  int64_t synthetic = 0;  // tokens; 0: none
  uint64_t input_seed = 0;
  RowSizes sizes = {.head_dim = 64};         // of what comes from no file
  int64_t num_key_heads = 0, value_dim = 0;  // 0: as heads, as head_dim
  std::optional<DataType> pipe_type;         // of what comes from standard input
  int64_t chunk = 0;                         // tokens; 0: ChunkLength() chooses
  std::string output;
  std::optional<DataType> output_type;

  // `takes_pipes`: also standard input and output.
  void AddTo(FlagSet* flags, bool takes_pipes);

  // InvalidArgumentError for flags that contradict each other.
  absl::Status Validate(const FlagSet& flags) const;

  bool from_pipe() const { return files.combined == "-"; }
  bool to_pipe() const { return output == "-"; }
};

// The input of a command that is open. Movable.
struct LongInput {
  std::shared_ptr<const LoadedInputs> loaded;  // of files
  std::unique_ptr<RowSource> rows;
  size_t queries_rank = 4;
};
absl::StatusOr<LongInput> OpenInput(const LongInputFlags& flags, const Console& console);

// A thousand tokens, or fewer so that a chunk has some 8 MiB.
int64_t ChunkLength(const LongInputFlags& flags, const RowSizes& sizes);

// An output file has the rows of tokens before `first_token` already. InvalidArgumentError for a file that is an input.
absl::StatusOr<std::unique_ptr<RowOutput>> OpenOutput(const LongInputFlags& flags, const LongInput& input,
                                                      int64_t first_token, const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_LONG_INPUT_FLAGS_H_
