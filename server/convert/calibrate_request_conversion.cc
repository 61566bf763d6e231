#include "server/convert/calibrate_request_conversion.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

absl::Status CheckShapes(const Shape& queries, const Shape& keys) {
  const struct {
    absl::string_view tensor, size;
    int64_t value, bound;
  } sizes[] = {{"queries", "batch_size", queries.batch_size, int64_t{1} << 31},
               {"queries", "num_heads", queries.num_heads, int64_t{1} << 31},
               {"queries", "head_dim", queries.dim, kMaxHeadDim},
               {"keys", "num_heads", keys.num_heads, queries.num_heads}};
  for (const auto& [tensor, size, value, bound] : sizes) {
    if (value >= 1 && value <= bound) continue;
    return FieldError(absl::StrCat(tensor, ".shape"),
                      absl::StrCat(tensor, ".", size, " is ", value, ", must be 1 to ", bound));
  }
  const struct {
    absl::string_view size;
    int64_t value, wanted;
  } equal[] = {{"batch_size", keys.batch_size, queries.batch_size}, {"head_dim", keys.dim, queries.dim}};
  for (const auto& [size, value, wanted] : equal) {
    if (value == wanted) continue;
    return FieldError("keys.shape", absl::StrCat("keys.", size, " is ", value, ", queries.", size, " is ", wanted));
  }
  if (queries.num_heads % keys.num_heads == 0) return absl::OkStatus();
  return FieldError("keys.shape", absl::StrCat("keys.num_heads is ", keys.num_heads,
                                               ", must divide queries.num_heads, which is ", queries.num_heads));
}

}  // namespace

absl::StatusOr<CalibrateWork> ToCalibrateWork(const v1::CalibrateRequest& request, LiftedData* data) {
  CalibrateWork work;
  const absl::StatusOr<AxisOrder> order = ReadLayout(request.spec().layout());
  if (!order.ok()) return order.status();
  work.axis_order = *order;
  absl::StatusOr<OwnedTensor> queries =
      ReadTensor(request.queries(), data->Take(request.queries().data()), *order, "queries");
  if (!queries.ok()) return queries.status();
  absl::StatusOr<OwnedTensor> keys = ReadTensor(request.keys(), data->Take(request.keys().data()), *order, "keys");
  if (!keys.ok()) return keys.status();
  work.queries = *std::move(queries);
  work.keys = *std::move(keys);
  if (absl::Status status = CheckShapes(work.queries.shape, work.keys.shape); !status.ok()) return status;
  const SpecSizes sizes{work.keys.shape.dim, work.keys.shape.num_heads, /*has_all_queries=*/true};
  if (absl::Status status = ReadSpec(request.spec(), sizes, data, &work); !status.ok()) return status;
  if (work.spec.mode != AttentionMode::kFeatures) {
    return FieldError("spec.exact", "spec.exact is set, must not be: exact attention takes no statistics");
  }
  if (!UsesStatistics(work.spec.features)) {
    return FieldError("spec.features.estimator",
                      "spec.features.estimator takes no statistics, must be ESTIMATOR_OPRF, ESTIMATOR_SDERF, "
                      "ESTIMATOR_SADERF or ESTIMATOR_ANCHORS, or spec.features.precondition true");
  }
  return work;
}

}  // namespace favor
