#include "server/convert/auto_spec_conversion.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"

namespace favor {
namespace {

// An error of the library, which calls the field `name` and knows no path.
absl::Status AboutAuto(const absl::Status& status, absl::string_view name) {
  if (status.ok()) return status;
  return FieldError(absl::StrCat("spec.auto.", name), absl::StrCat("spec.auto.", status.message()));
}

absl::Status ReadBudget(const v1::AutoSpec& wire, AutoSpec* spec) {
  constexpr absl::string_view kBudget = "spec.auto.time_budget";
  if (!wire.has_time_budget()) return absl::OkStatus();
  const int64_t seconds = wire.time_budget().seconds();
  const int32_t nanos = wire.time_budget().nanos();
  if (seconds < 0 || nanos < 0 || nanos > 999'999'999 || (seconds == 0 && nanos == 0)) {
    return FieldError(kBudget, absl::StrCat(kBudget, " is ", seconds, " s and ", nanos,
                                            " ns, must be > 0 with nanos from 0 to 999999999"));
  }
  spec->budget_seconds = static_cast<double>(seconds) + 1e-9 * nanos;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadAutoSpec(const v1::AttentionSpec& wire, int64_t head_dim, AttendWork* work) {
  if (absl::Status status = ReadCommonSpec(wire, work); !status.ok()) return status;
  constexpr absl::string_view kWhenMissed = "spec.auto.when_missed";
  const v1::AutoSpec& from = wire.auto_();
  if (!v1::AutoSpec::WhenMissed_IsValid(from.when_missed())) {
    return FieldError(kWhenMissed, absl::StrCat(kWhenMissed, " is ", static_cast<int>(from.when_missed()),
                                                ", which is no WhenMissed"));
  }
  work->spec.mode = AttentionMode::kExact;
  work->spec.scale = wire.has_scale() ? wire.scale() : DefaultScale(Kernel::kSoftmax, head_dim);
  AutoSpec spec;
  spec.causal = work->spec.causal;
  spec.scale = work->spec.scale;
  spec.max_relative_error = from.max_relative_error();
  spec.answer_when_missed = from.when_missed() == v1::AutoSpec::WHEN_MISSED_WARN;
  if (absl::Status status = AboutAuto(CheckAutoSpec(spec, work->output_type), "max_relative_error"); !status.ok())
    return status;
  if (absl::Status status = ReadBudget(from, &spec); !status.ok()) return status;
  work->automatic = spec;
  return absl::OkStatus();
}

}  // namespace favor
