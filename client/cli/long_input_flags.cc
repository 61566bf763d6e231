#include "client/cli/long_input_flags.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/attend_flags.h"
#include "client/cli/flag_values.h"

namespace favor::cli {
namespace {

constexpr int64_t kMaxChunkTokens = 1024;
constexpr int64_t kMaxChunkBytes = 8 << 20;

// Flags that say what files say themselves.
constexpr const char* kSizeFlags[] = {"heads", "key-heads", "head-dim", "value-dim"};

// Of what is drawn and of a chunk: with the bytes that a token may have, they can be counted.
constexpr int64_t kMaxTokens = INT32_MAX;

RowSizes SizesOf(const LongInputFlags& flags) {
  RowSizes sizes = flags.sizes;
  sizes.num_key_heads = flags.num_key_heads > 0 ? flags.num_key_heads : sizes.num_heads;
  sizes.value_dim = flags.value_dim > 0 ? flags.value_dim : sizes.head_dim;
  sizes.type = flags.pipe_type.value_or(sizes.type);
  return sizes;
}

// The chunk of sizes that flags say is a message, and so is its output.
absl::Status CheckChunk(const LongInputFlags& flags, const RowSizes& sizes) {
  // In doubles, which the product of any flags fits in.
  const double heads = static_cast<double>(sizes.num_heads), key_heads = static_cast<double>(sizes.num_key_heads),
               head_dim = static_cast<double>(sizes.head_dim), value_dim = static_cast<double>(sizes.value_dim);
  const double numbers = std::max(heads * head_dim + key_heads * (head_dim + value_dim), heads * value_dim);
  int64_t tokens = std::max<int64_t>(flags.chunk, 1);
  if (flags.synthetic > 0) tokens = std::min(tokens, flags.synthetic);
  const double bytes = static_cast<double>(tokens) * numbers * static_cast<double>(SizeOf(sizes.type));
  if (bytes <= static_cast<double>(kMaxMessageBytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--chunk of ", tokens, " tokens with --heads ", sizes.num_heads,
                                                 ", --key-heads ", sizes.num_key_heads, ", --head-dim ", sizes.head_dim,
                                                 " and --value-dim ", sizes.value_dim, " has ", bytes,
                                                 " bytes, a message has at most ", kMaxMessageBytes));
}

// The output is written while the inputs are still read.
absl::Status CheckIsNoInput(const LongInputFlags& flags) {
  const InputFiles& files = flags.files;
  for (const std::string* input :
       {&files.queries, &files.keys, &files.values, &files.combined, &files.projection_matrix}) {
    std::error_code none;
    if (!std::filesystem::equivalent(*input, flags.output, none)) continue;
    return absl::InvalidArgumentError(absl::StrCat("--output is ", flags.output, ", which is an input"));
  }
  return absl::OkStatus();
}

}  // namespace

void LongInputFlags::AddTo(FlagSet* flags, bool takes_pipes) {
  flags->BeginSection("Tensors");
  AddInputFileFlags(&files, flags);
  flags->Add("layout", "LAYOUT", "Order of the axes. Default batch_heads_length_dim.", &layout);
  flags->Add("synthetic", "N", "In place of files: N tokens drawn from --input-seed.", &synthetic);
  flags->Add("input-seed", "N", "Of --synthetic. Default 0.", &input_seed);
  const std::string what = takes_pipes ? "Of --synthetic and --input -" : "Of --synthetic";
  flags->Add("heads", "N", absl::StrCat(what, ". Default 1."), &sizes.num_heads);
  flags->Add("key-heads", "N", "The same. Default: --heads.", &num_key_heads);
  flags->Add("head-dim", "N", "The same. Default 64.", &sizes.head_dim);
  flags->Add("value-dim", "N", "The same. Default: --head-dim.", &value_dim);
  if (takes_pipes)
    flags->Add("input-type", "TYPE", "Of --input -. Default f32, or what an .npy array says.", &pipe_type);
  flags->Add("chunk", "N", "Tokens of a piece. Default 1024, or fewer so that it has 8 MiB.", &chunk);
  flags->BeginSection("Results");
  flags->Add(
      "output", "FILE",
      absl::StrCat("Write the output to FILE.npy as it comes", takes_pipes ? "; -: to standard output, rows of [heads, "
                                                                             "value dim] of each token."
                                                                           : "."),
      &output);
  flags->Add("output-type", "TYPE", "Default: the queries' type.", &output_type);
}

absl::Status LongInputFlags::Validate(const FlagSet& flags) const {
  const bool any_file =
      !files.queries.empty() || !files.keys.empty() || !files.values.empty() || !files.combined.empty();
  if (flags.IsSet("synthetic")) {
    if (any_file) return absl::InvalidArgumentError("give either tensors or --synthetic");
    if (absl::Status status = CheckWithin("synthetic", synthetic, 1, kMaxTokens); !status.ok()) return status;
  } else if (absl::Status status = CheckInputFiles(files); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(status.message(), ", or --synthetic"));
  }
  for (const char* flag : kSizeFlags) {
    if (flags.IsSet(flag) && !flags.IsSet("synthetic") && !from_pipe()) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, " is given, but the files say that themselves"));
    }
  }
  if (flags.IsSet("input-type") && !from_pipe()) {
    return absl::InvalidArgumentError("--input-type is given, but nothing comes from standard input (--input -)");
  }
  if (from_pipe() && layout == client::Layout::kBatchHeadsLengthDim) {
    return absl::InvalidArgumentError("--layout is batch_heads_length_dim, standard input brings token after token");
  }
  const RowSizes all = SizesOf(*this);
  for (const auto& [flag, value] : {std::pair("heads", all.num_heads), std::pair("key-heads", all.num_key_heads),
                                    std::pair("head-dim", all.head_dim), std::pair("value-dim", all.value_dim)}) {
    if (absl::Status status = CheckWithin(flag, value, 1, kMaxMessageBytes); !status.ok()) return status;
  }
  if (flags.IsSet("chunk")) {
    if (absl::Status status = CheckWithin("chunk", chunk, 1, kMaxTokens); !status.ok()) return status;
  }
  if (flags.IsSet("synthetic") || from_pipe()) {
    if (absl::Status status = CheckChunk(*this, all); !status.ok()) return status;
  }
  if (!output.empty() && !to_pipe() && !absl::EndsWith(output, ".npy")) {
    return absl::InvalidArgumentError(absl::StrCat("--output is \"", output, "\", it must end in .npy"));
  }
  return absl::OkStatus();
}

absl::StatusOr<LongInput> OpenInput(const LongInputFlags& flags, const Console& console) {
  LongInput input;
  RowSizes sizes = SizesOf(flags);
  if (flags.synthetic > 0) {
    sizes.query_length = sizes.key_length = flags.synthetic;
    input.rows = SyntheticRows(sizes, flags.layout, flags.input_seed);
    return input;
  }
  if (flags.from_pipe()) {
    absl::StatusOr<std::unique_ptr<RowSource>> piped = PipedRows(&console.in, sizes, flags.pipe_type.has_value());
    if (!piped.ok()) return piped.status();
    input.rows = *std::move(piped);
    input.queries_rank = 3;
    return input;
  }
  absl::StatusOr<LoadedInputs> loaded = LoadInputs(flags.files, flags.layout);
  if (!loaded.ok()) return loaded.status();
  input.loaded = std::make_shared<const LoadedInputs>(*std::move(loaded));
  input.queries_rank = input.loaded->queries_rank;
  absl::StatusOr<std::unique_ptr<RowSource>> rows = FileRows(*input.loaded, flags.layout);
  if (!rows.ok()) return rows.status();
  input.rows = *std::move(rows);
  return input;
}

int64_t ChunkLength(const LongInputFlags& flags, const RowSizes& sizes) {
  if (flags.chunk > 0) return flags.chunk;
  return std::clamp<int64_t>(kMaxChunkBytes / std::max<int64_t>(sizes.TokenBytes(), 1), 1, kMaxChunkTokens);
}

absl::StatusOr<std::unique_ptr<RowOutput>> OpenOutput(const LongInputFlags& flags, const LongInput& input,
                                                      int64_t first_token, const Console& console) {
  if (flags.output.empty()) return NoOutput();
  if (absl::Status status = CheckIsNoInput(flags); !status.ok()) return status;
  const RowSizes& sizes = input.rows->sizes();
  const RowOutput::Shape shape{.layout = input.rows->layout(),
                               .batch_size = sizes.batch_size,
                               .num_heads = sizes.num_heads,
                               .length = sizes.query_length,
                               .value_dim = sizes.value_dim,
                               .type = flags.output_type.value_or(sizes.type),
                               .rank = input.queries_rank};
  return flags.to_pipe() ? PipedOutput(&console.out, shape) : NpyRows(flags.output, shape, first_token);
}

}  // namespace favor::cli
