#include "client/cli/spec_flags.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "client/cli/statistics_file.h"

namespace favor::cli {
namespace {

// Flags that mean nothing outside their mode; a call that would ignore one is refused.
constexpr std::array kFeatureFlags = {
    "kernel",         "estimator",      "num-features",      "projection",       "row-norms",
    "seed",           "nonlinearity",   "polynomial-offset", "epsilon-parity",   "feature-epsilon",
    "causal-epsilon", "statistics",     "antithetic",        "precondition",     "num-exact-keys",
    "num-anchors",    "num-directions", "num-fit-rows",      "projection-matrix"};
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

void AddAttentionFlags(SpecFlags* target, bool whole_calls, FlagSet* flags) {
  flags->BeginSection("Attention");
  if (whole_calls) {
    flags->Add("mode", "MODE", "Default features.", &target->mode);
    flags->Add("causal", "A query sees the keys up to its own position.", &target->spec.causal);
  }
  flags->Add("scale", "X", "Of queries times keys. Default: 1/sqrt(dim), for elu_plus_one and no_projection 1.",
             &target->spec.scale);
  flags->Add("precision", "PRECISION", "Of the arithmetic; bf16 where the server's CPU has it. Default f32.",
             &target->spec.precision);
  if (!whole_calls) return;
  flags->Add("max-relative-error", "X", "Bound of the error, for --mode auto.", &target->automatic.max_relative_error);
  flags->Add("time-budget", "TIME", "Compute time that --mode auto may spend.", &target->automatic.time_budget);
  flags->Add("when-missed", "ACTION", "What --mode auto does when it cannot meet the bound. Default fail.",
             &target->automatic.when_missed);
}

void AddFeatureFlags(SpecFlags* target, bool whole_calls, FlagSet* flags) {
  client::FeatureSpec& spec = target->features;
  flags->BeginSection(whole_calls ? "Features (--mode features)" : "Features");
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
  flags->Add("statistics", "FILE.json", "Statistics of favor calibrate, or as a report of --json has them.",
             &target->statistics_file);
  flags->Add("antithetic", "Antithetic pairs of rows.", &spec.antithetic);
  flags->Add("precondition", "Exact preconditioning.", &spec.precondition);
  flags->Add("num-exact-keys", "N", "Heaviest keys to treat exactly.", &spec.num_exact_keys);
  flags->Add("num-anchors", "N", "Cluster centres of the anchors estimator.", &spec.num_anchors);
  flags->Add("num-fit-rows", "N", "Rows computed exactly to weigh the parts of the anchors estimator.",
             &spec.num_fit_rows);
  flags->Add("num-directions", "N", "Directions in which the anchors estimator is of second order.",
             &spec.num_directions);
}

}  // namespace

void SpecFlags::AddTo(FlagSet* flags, Use use) {
  AddAttentionFlags(this, use == Use::kWholeCalls, flags);
  AddFeatureFlags(this, use == Use::kWholeCalls, flags);
}

absl::Status SpecFlags::Validate(const FlagSet& flags) const {
  if (absl::Status status = NeedMode(flags, kFeatureFlags, Mode::kFeatures, mode); !status.ok()) return status;
  if (absl::Status status = NeedMode(flags, kAutoFlags, Mode::kAuto, mode); !status.ok()) return status;
  if (mode == Mode::kAuto && !flags.IsSet("max-relative-error")) {
    return absl::InvalidArgumentError("--mode auto needs --max-relative-error");
  }
  return absl::OkStatus();
}

absl::StatusOr<client::AttentionSpec> SpecFlags::ToSpec(const FlagSet& flags,
                                                        const std::optional<client::TensorView>& matrix) const {
  client::AttentionSpec result = spec;
  if (mode == Mode::kExact) result.mode = client::ExactSpec();
  if (mode == Mode::kAuto) result.mode = automatic;
  if (mode != Mode::kFeatures) return result;

  client::FeatureSpec chosen = features;
  // A matrix that merely lies in the input file gives way to a projection asked for by name.
  const client::ProjectionKind kind = chosen.projection.kind;
  const bool wanted =
      flags.IsSet("projection-matrix") || kind == client::ProjectionKind::kSupplied ||
      (kind == client::ProjectionKind::kUnspecified && !chosen.projection.seed && TakesProjection(chosen.kernel));
  if (wanted) chosen.projection.matrix = matrix;
  if (epsilon_parity || parity.feature_epsilon || parity.causal_epsilon) chosen.epsilon_parity = parity;
  if (!statistics_file.empty()) {
    absl::StatusOr<client::Statistics> statistics = ReadStatistics(statistics_file);
    if (!statistics.ok()) return statistics.status();
    chosen.statistics = *std::move(statistics);
  }
  result.mode = chosen;
  return result;
}

}  // namespace favor::cli
