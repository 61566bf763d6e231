#include "client/cli/attend_flags.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/statistics_file.h"

namespace favor::cli {
namespace {

// Flags that mean nothing outside their mode; a call that would ignore one is refused.
constexpr std::array kFeatureFlags = {
    "kernel",       "estimator",         "num-features",   "projection",      "row-norms",      "seed",
    "nonlinearity", "polynomial-offset", "epsilon-parity", "feature-epsilon", "causal-epsilon", "statistics",
    "antithetic",   "precondition",      "num-exact-keys", "num-anchors",     "num-fit-rows",   "projection-matrix"};
constexpr std::array kAutoFlags = {"max-relative-error", "time-budget", "when-missed"};

template <typename Names>
absl::Status NeedMode(const FlagSet& flags, const Names& names, Mode needed, Mode given) {
  if (needed == given) return absl::OkStatus();
  for (const char* name : names) {
    if (!flags.IsSet(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " needs --mode ", NameOfValue(needed), ", the mode is ", NameOfValue(given)));
  }
  return absl::OkStatus();
}

bool TakesProjection(client::Kernel kernel) {
  return kernel != client::Kernel::kEluPlusOne && kernel != client::Kernel::kNoProjection &&
         kernel != client::Kernel::kTaylor2 && kernel != client::Kernel::kPolynomial2;
}

void AddInputFlags(AttendFlags* target, FlagSet* flags) {
  InputFiles& files = target->files;
  flags->BeginSection("Tensors");
  flags->Add("queries", "FILE.npy", "[batch, heads, length, dim]; outer axes of size 1 may be missing.",
             &files.queries);
  flags->Add("keys", "FILE.npy", "[batch, key heads, length, dim]; key heads divide heads.", &files.keys);
  flags->Add("values", "FILE.npy", "[batch, key heads, length, value dim].", &files.values);
  flags->Add("input", "FILE.safetensors",
             "In place of the three: a file with tensors called queries, keys, values and, if there is one, "
             "projection_matrix.",
             &files.combined);
  flags->Add("projection-matrix", "FILE.npy", "[num features, dim] or [key heads, num features, dim].",
             &files.projection_matrix);
  flags->Add("query-lengths", "N,N,...", "Valid queries of each sequence. Default: all.",
             &target->options.query_lengths);
  flags->Add("key-lengths", "N,N,...", "Valid keys of each sequence; the others are not seen. Default: all.",
             &target->options.key_lengths);
  flags->Add("query-offsets", "N,N,...", "Packed sequences: where each one's queries start, and the end.",
             &target->options.query_offsets);
  flags->Add("key-offsets", "N,N,...", "Packed sequences: where each one's keys start, and the end.",
             &target->options.key_offsets);
  flags->Add("layout", "LAYOUT", "Order of the axes. Default batch_heads_length_dim.", &target->options.spec.layout);
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

void AddAttentionFlags(AttendFlags* target, FlagSet* flags) {
  flags->BeginSection("Attention");
  flags->Add("mode", "MODE", "Default features.", &target->mode);
  flags->Add("causal", "A query sees the keys up to its own position.", &target->options.spec.causal);
  flags->Add("scale", "X", "Of queries times keys. Default: 1/sqrt(dim), for elu_plus_one and no_projection 1.",
             &target->options.spec.scale);
  flags->Add("precision", "PRECISION", "Of the arithmetic; bf16 where the server's CPU has it. Default f32.",
             &target->options.spec.precision);
  flags->Add("max-relative-error", "X", "Bound of the error, for --mode auto.", &target->automatic.max_relative_error);
  flags->Add("time-budget", "TIME", "Compute time that --mode auto may spend.", &target->automatic.time_budget);
  flags->Add("when-missed", "ACTION", "What --mode auto does when it cannot meet the bound. Default fail.",
             &target->automatic.when_missed);
}

void AddFeatureFlags(AttendFlags* target, FlagSet* flags) {
  client::FeatureSpec& spec = target->features;
  flags->BeginSection("Features (--mode features)");
  flags->Add("kernel", "KERNEL", "Default softmax.", &spec.kernel);
  flags->Add("estimator", "ESTIMATOR", "Default positive, which is FAVOR+.", &spec.estimator);
  flags->Add("num-features", "N", "Rows of the projection. Default 4 * dim, or those of the matrix.",
             &spec.num_features);
  flags->Add("projection", "KIND", "How its rows are drawn. Default orthogonal, or supplied with a matrix.",
             &spec.projection.kind);
  flags->Add("row-norms", "NORMS", "Of an orthogonal or structured projection. Default chi.",
             &spec.projection.row_norms);
  flags->Add("seed", "N", "Of the draw. Default 0.", &spec.projection.seed);
  flags->Add("nonlinearity", "F", "For the generalized kernel. Default relu.", &spec.nonlinearity);
  flags->Add("polynomial-offset", "C", "For the polynomial2 kernel. Default 1.", &spec.polynomial_offset);
  flags->Add("epsilon-parity", "Reproduce the epsilons of performer-pytorch.", &target->epsilon_parity);
  flags->Add("feature-epsilon", "X", "Added to every feature; implies --epsilon-parity.",
             &target->parity.feature_epsilon);
  flags->Add("causal-epsilon", "X", "Added to the causal sum of keys; implies --epsilon-parity.",
             &target->parity.causal_epsilon);
  flags->Add("statistics", "FILE.json", "Statistics as an earlier call's --json report has them.",
             &target->statistics_file);
  flags->Add("antithetic", "Antithetic pairs of rows.", &spec.antithetic);
  flags->Add("precondition", "Exact preconditioning.", &spec.precondition);
  flags->Add("num-exact-keys", "N", "Heaviest keys to treat exactly.", &spec.num_exact_keys);
  flags->Add("num-anchors", "N", "Cluster centres of the anchors estimator.", &spec.num_anchors);
  flags->Add("num-fit-rows", "N", "Rows computed exactly to fit a combination of estimators.", &spec.num_fit_rows);
}

}  // namespace

void AttendFlags::AddTo(FlagSet* flags) {
  AddInputFlags(this, flags);
  AddResultFlags(this, flags);
  AddAttentionFlags(this, flags);
  AddFeatureFlags(this, flags);
}

absl::Status AttendFlags::Validate(const FlagSet& flags) const {
  const bool any_npy = !files.queries.empty() || !files.keys.empty() || !files.values.empty();
  const bool all_npy = !files.queries.empty() && !files.keys.empty() && !files.values.empty();
  if (files.combined.empty() ? !all_npy : any_npy) {
    return absl::InvalidArgumentError("give either --queries, --keys and --values, or --input");
  }
  if (!output.empty()) {
    if (const auto format = OutputFormat(output); !format.ok()) return format.status();
  }
  if (excerpt_rows < 0) return absl::InvalidArgumentError(absl::StrCat("--rows is ", excerpt_rows, ", the least is 0"));
  if (absl::Status status = NeedMode(flags, kFeatureFlags, Mode::kFeatures, mode); !status.ok()) return status;
  if (absl::Status status = NeedMode(flags, kAutoFlags, Mode::kAuto, mode); !status.ok()) return status;
  if (mode == Mode::kAuto && !flags.IsSet("max-relative-error")) {
    return absl::InvalidArgumentError("--mode auto needs --max-relative-error");
  }
  return absl::OkStatus();
}

absl::StatusOr<client::AttendOptions> AttendFlags::ToOptions(const FlagSet& flags,
                                                             const std::optional<client::TensorView>& matrix) const {
  client::AttendOptions result = options;
  if (mode == Mode::kExact) result.spec.mode = client::ExactSpec();
  if (mode == Mode::kAuto) result.spec.mode = automatic;
  if (mode != Mode::kFeatures) return result;

  client::FeatureSpec spec = features;
  // A matrix that merely lies in the input file gives way to a projection asked for by name.
  const client::ProjectionKind kind = spec.projection.kind;
  const bool wanted =
      flags.IsSet("projection-matrix") || kind == client::ProjectionKind::kSupplied ||
      (kind == client::ProjectionKind::kUnspecified && !spec.projection.seed && TakesProjection(spec.kernel));
  if (wanted) spec.projection.matrix = matrix;
  if (epsilon_parity || parity.feature_epsilon || parity.causal_epsilon) spec.epsilon_parity = parity;
  if (!statistics_file.empty()) {
    absl::StatusOr<client::Statistics> statistics = ReadStatistics(statistics_file);
    if (!statistics.ok()) return statistics.status();
    spec.statistics = *std::move(statistics);
  }
  result.spec.mode = spec;
  return result;
}

}  // namespace favor::cli
