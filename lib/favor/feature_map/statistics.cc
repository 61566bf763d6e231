#include "favor/feature_map/statistics.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/base/hash128.h"

namespace favor {
namespace {

// `values` are those of `name` from entry `first` on.
absl::Status CheckEntries(absl::string_view name, absl::Span<const double> values, double low, double high,
                          size_t first = 0) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= low && values[i] <= high) continue;  // NaN is not
    return absl::InvalidArgumentError(
        absl::StrCat(name, "[", first + i, "] is ", values[i], ", must be from ", low, " to ", high));
  }
  return absl::OkStatus();
}

// `sizes`: those that are allowed.
absl::Status CheckSize(absl::string_view name, const std::vector<double>& values, absl::Span<const int64_t> sizes) {
  const int64_t size = values.size();
  std::string allowed;
  for (const int64_t each : sizes) {
    if (size == each) return absl::OkStatus();
    absl::StrAppend(&allowed, allowed.empty() ? "" : " or ", each);
  }
  return absl::InvalidArgumentError(absl::StrCat(name, " has ", size, " entries, must have ", allowed));
}

absl::Status CheckNumAnchors(const FeatureSpec& spec, int64_t head_dim, const std::string& name,
                             const std::vector<double>& anchors) {
  const int64_t size = anchors.size(), most = spec.num_anchors * head_dim;
  if (size > 0 && size <= most && size % head_dim == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " has ", size, " entries, must have a multiple of ", head_dim,
                                                 " of them, up to ", most, ", which is num_anchors"));
}

absl::Status CheckSizes(const FeatureSpec& spec, int64_t head_dim, const std::string& name,
                        const HeadStatistics& head) {
  const int64_t square = head_dim * head_dim;
  const bool dense = spec.precondition || UsesAnchors(spec);
  const int64_t diagonal = spec.estimator == Estimator::kSaderf ? head_dim : 0;
  absl::Status status = CheckSize(name + ".key_shift", head.key_shift, {dense ? head_dim : 0});
  status.Update(CheckSize(name + ".query_transform", head.query_transform, {dense ? square : diagonal}));
  if (spec.estimator == Estimator::kSderf) {
    status.Update(CheckSize(name + ".proposal", head.proposal, {head_dim, head_dim + square}));
  } else {
    const int64_t size = UsesProposal(spec.estimator) ? 1 : 0;
    status.Update(CheckSize(name + ".proposal", head.proposal, {size}));
  }
  const int64_t directions = UsesAnchors(spec) ? std::min(spec.num_directions, head_dim) * head_dim : 0;
  status.Update(CheckSize(name + ".directions", head.directions, {directions}));
  status.Update(UsesAnchors(spec) ? CheckNumAnchors(spec, head_dim, name + ".anchors", head.anchors)
                                  : CheckSize(name + ".anchors", head.anchors, {0}));
  return status;
}

absl::Status CheckHead(const FeatureSpec& spec, int64_t head_dim, const std::string& name, const HeadStatistics& head) {
  absl::Status status = CheckSizes(spec, head_dim, name, head);
  if (!status.ok()) return status;
  constexpr double kMaxBasisEntry = 1.001;  // an orthogonal matrix has none above 1
  const absl::Span<const double> proposal = head.proposal;
  const int64_t diagonal_size = spec.estimator == Estimator::kSderf ? head_dim : head.proposal.size();
  status.Update(CheckEntries(name + ".key_shift", head.key_shift, -kMaxKeyShift, kMaxKeyShift));
  status.Update(CheckEntries(name + ".query_transform", head.query_transform, -kMaxTransformEntry, kMaxTransformEntry));
  status.Update(CheckEntries(name + ".directions", head.directions, -kMaxBasisEntry, kMaxBasisEntry));
  status.Update(CheckEntries(name + ".anchors", head.anchors, -kMaxKeyShift, kMaxKeyShift));
  status.Update(CheckEntries(name + ".proposal", proposal.first(diagonal_size), kMinProposal, kMaxProposal));
  status.Update(CheckEntries(name + ".proposal", proposal.subspan(diagonal_size), -kMaxBasisEntry, kMaxBasisEntry,
                             static_cast<size_t>(diagonal_size)));
  return status;
}

}  // namespace

absl::Status CheckStatistics(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads) {
  if (spec.statistics == nullptr) return absl::OkStatus();
  if (!UsesStatistics(spec)) {
    return absl::InvalidArgumentError("statistics is set, but this estimator without precondition takes none");
  }
  const int64_t num_heads = spec.statistics->heads.size();
  if (num_heads == 0 || (num_key_heads != 0 && num_heads != num_key_heads)) {
    return absl::InvalidArgumentError(
        absl::StrCat("statistics.heads has ", num_heads, " entries, must have one per key head, ", num_key_heads));
  }
  for (int64_t h = 0; h < num_heads; ++h) {
    absl::Status status =
        CheckHead(spec, head_dim, absl::StrCat("statistics.heads[", h, "]"), spec.statistics->heads[h]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string FeaturesId(const std::string& projection_id, const Statistics* statistics) {
  if (statistics == nullptr) return projection_id;
  FieldHasher hasher;
  hasher.AddBytes("favorsts").AddUint8(1).AddBytes(projection_id).AddUint64(statistics->heads.size());
  for (const HeadStatistics& head : statistics->heads) {
    for (const std::vector<double>* values : {&head.key_shift, &head.query_transform, &head.proposal}) {
      hasher.AddUint64(values->size());
      for (const double value : *values) hasher.AddUint64(std::bit_cast<uint64_t>(value));
    }
  }
  return hasher.HexDigest128();
}

}  // namespace favor
