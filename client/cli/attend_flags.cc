#include "client/cli/attend_flags.h"

#include "client/cli/flag_values.h"

namespace favor::cli {
namespace {

void AddInputFlags(AttendFlags* target, FlagSet* flags) {
  flags->BeginSection("Tensors");
  AddInputFileFlags(&target->files, flags);
  flags->Add("query-lengths", "N,N,...", "Valid queries of each sequence. Default: all.",
             &target->options.query_lengths);
  flags->Add("key-lengths", "N,N,...", "Valid keys of each sequence; the others are not seen. Default: all.",
             &target->options.key_lengths);
  flags->Add("query-offsets", "N,N,...", "Packed sequences: where each one's queries start, and the end.",
             &target->options.query_offsets);
  flags->Add("key-offsets", "N,N,...", "Packed sequences: where each one's keys start, and the end.",
             &target->options.key_offsets);
  flags->Add("layout", "LAYOUT", "Order of the axes. Default batch_heads_length_dim.", &target->spec.spec.layout);
}

void AddResultFlags(AttendFlags* target, FlagSet* flags) {
  flags->BeginSection("Results");
  flags->Add("output", "FILE", "Write the output to FILE.npy or FILE.safetensors.", &target->output);
  flags->Add("output-type", "TYPE", "Default: the queries' type.", &target->options.output_type);
  flags->Add("compare",
             "Call once more in exact mode and print the error of the answer, beside that of the mean of the values.",
             &target->compare);
  flags->Add("rows", "N", "Print the first N rows of the output. Default 4.", &target->excerpt_rows);
  flags->Add("measure-error-rows", "N", "Have the server compute N rows exactly and report the error.",
             &target->options.measure_error_rows);
}

}  // namespace

void AddInputFileFlags(InputFiles* files, FlagSet* flags) {
  flags->Add("queries", "FILE.npy", "[batch, heads, length, dim]; outer axes of size 1 may be missing.",
             &files->queries);
  flags->Add("keys", "FILE.npy", "[batch, key heads, length, dim]; key heads divide heads.", &files->keys);
  flags->Add("values", "FILE.npy", "[batch, key heads, length, value dim].", &files->values);
  flags->Add("input", "FILE.safetensors",
             "In place of the three: a file with tensors called queries, keys, values and, if there is one, "
             "projection_matrix.",
             &files->combined);
  flags->Add("projection-matrix", "FILE.npy", "[num features, dim] or [key heads, num features, dim].",
             &files->projection_matrix);
}

absl::Status CheckInputFiles(const InputFiles& files) {
  const bool any_npy = !files.queries.empty() || !files.keys.empty() || !files.values.empty();
  const bool all_npy = !files.queries.empty() && !files.keys.empty() && !files.values.empty();
  if (files.combined.empty() ? !all_npy : any_npy) {
    return absl::InvalidArgumentError("give either --queries, --keys and --values, or --input");
  }
  return absl::OkStatus();
}

void AttendFlags::AddTo(FlagSet* flags) {
  AddInputFlags(this, flags);
  AddResultFlags(this, flags);
  spec.AddTo(flags, SpecFlags::Use::kWholeCalls);
}

absl::Status AttendFlags::Validate(const FlagSet& flags) const {
  if (absl::Status status = CheckInputFiles(files); !status.ok()) return status;
  if (!output.empty()) {
    if (const auto format = OutputFormat(output); !format.ok()) return format.status();
  }
  if (absl::Status status = CheckWithin("rows", excerpt_rows, 0); !status.ok()) return status;
  return spec.Validate(flags);
}

absl::StatusOr<client::AttendOptions> AttendFlags::ToOptions(const FlagSet& flags,
                                                             const std::optional<client::TensorView>& matrix) const {
  absl::StatusOr<client::AttentionSpec> chosen = spec.ToSpec(flags, matrix);
  if (!chosen.ok()) return chosen.status();
  client::AttendOptions result = options;
  result.spec = *std::move(chosen);
  return result;
}

}  // namespace favor::cli
