#include "server/convert/statistics_conversion.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

constexpr int64_t kHeadBytes = 64;  // tags and lengths, and the head's vectors

}  // namespace

absl::StatusOr<std::shared_ptr<const Statistics>> ReadStatistics(const v1::Statistics& wire,
                                                                 const FeatureSpec& features, const SpecSizes& sizes) {
  constexpr char kStatistics[] = "spec.features.statistics";
  if (!UsesStatistics(features)) {
    return FieldError(kStatistics,
                      absl::StrCat(kStatistics, " is set, this kernel and estimator without precondition take none"));
  }
  if (wire.heads_size() != sizes.num_key_heads) {
    return FieldError(absl::StrCat(kStatistics, ".heads"),
                      absl::StrCat(kStatistics, ".heads has ", wire.heads_size(),
                                   " entries, must have one per key head, ", sizes.num_key_heads));
  }
  auto statistics = std::make_shared<Statistics>();
  statistics->heads.reserve(wire.heads_size());
  for (const v1::Statistics::Head& from : wire.heads()) {
    statistics->heads.push_back({{from.key_shift().begin(), from.key_shift().end()},
                                 {from.query_transform().begin(), from.query_transform().end()},
                                 {from.proposal().begin(), from.proposal().end()},
                                 {from.anchors().begin(), from.anchors().end()},
                                 {from.directions().begin(), from.directions().end()}});
  }
  FeatureSpec with_statistics = features;
  with_statistics.statistics = statistics;
  const absl::Status status = CheckStatistics(with_statistics, sizes.head_dim, sizes.num_key_heads);
  if (!status.ok()) return AboutStatistics(status);
  return statistics;
}

void WriteStatistics(const Statistics& statistics, v1::Statistics* wire) {
  for (const HeadStatistics& head : statistics.heads) {
    v1::Statistics::Head* to = wire->add_heads();
    to->mutable_key_shift()->Add(head.key_shift.begin(), head.key_shift.end());
    to->mutable_query_transform()->Add(head.query_transform.begin(), head.query_transform.end());
    to->mutable_proposal()->Add(head.proposal.begin(), head.proposal.end());
    to->mutable_anchors()->Add(head.anchors.begin(), head.anchors.end());
    to->mutable_directions()->Add(head.directions.begin(), head.directions.end());
  }
}

int64_t StatisticsBytes(const Statistics& statistics) {
  int64_t bytes = 0;
  for (const HeadStatistics& head : statistics.heads) {
    const size_t numbers = head.key_shift.size() + head.query_transform.size() + head.proposal.size() +
                           head.anchors.size() + head.directions.size();
    bytes += kHeadBytes + static_cast<int64_t>(numbers * sizeof(double));
  }
  return bytes;
}

int64_t MaxStatisticsBytes(const FeatureSpec& features, const SpecSizes& sizes) {
  const int64_t numbers = (2 * sizes.head_dim + 2 + features.num_anchors + features.num_directions) * sizes.head_dim;
  return sizes.num_key_heads * (kHeadBytes + numbers * static_cast<int64_t>(sizeof(double)));
}

absl::Status AboutStatistics(const absl::Status& status) {
  const absl::string_view message = status.message();
  if (!absl::IsInvalidArgument(status) || !absl::StartsWith(message, "statistics")) return status;
  const absl::string_view field = message.substr(0, message.find(' '));
  return FieldError(absl::StrCat("spec.features.", field), absl::StrCat("spec.features.", message));
}

}  // namespace favor
