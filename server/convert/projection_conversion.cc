#include "server/convert/projection_conversion.h"

#include <cstring>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "favor/format/half_float.h"
#include "server/convert/field_error.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

constexpr char kNumFeatures[] = "spec.features.num_features";
constexpr char kKind[] = "spec.features.projection.kind";
constexpr char kRowNorms[] = "spec.features.projection.row_norms";
constexpr char kSeed[] = "spec.features.projection.seed";
constexpr char kMatrix[] = "spec.features.projection.matrix";

absl::Status Refuse(absl::string_view field, absl::string_view value, absl::string_view why) {
  return FieldError(field, absl::StrCat(field, " is ", value, ", ", why));
}

absl::Status CheckEnums(const v1::Projection& wire) {
  if (!v1::ProjectionKind_IsValid(wire.kind())) {
    return Refuse(kKind, absl::StrCat(static_cast<int>(wire.kind())), "which is no ProjectionKind");
  }
  if (!v1::RowNorms_IsValid(wire.row_norms())) {
    return Refuse(kRowNorms, absl::StrCat(static_cast<int>(wire.row_norms())), "which is no RowNorms");
  }
  return absl::OkStatus();
}

// A projection the call has no use for must not be there: it would be ignored in silence.
absl::Status RefuseDraw(const v1::Projection& wire, absl::string_view why) {
  if (wire.has_seed()) return Refuse(kSeed, absl::StrCat(wire.seed()), why);
  if (wire.row_norms() != v1::ROW_NORMS_UNSPECIFIED) return Refuse(kRowNorms, v1::RowNorms_Name(wire.row_norms()), why);
  return absl::OkStatus();
}

absl::Status RefuseRows(const v1::FeatureSpec& wire, absl::string_view why) {
  if (wire.projection().has_matrix()) return Refuse(kMatrix, "set", why);
  return RefuseDraw(wire.projection(), why);
}

absl::Status RefuseProjection(const v1::FeatureSpec& wire, absl::string_view why) {
  if (wire.has_num_features()) return Refuse(kNumFeatures, absl::StrCat(wire.num_features()), why);
  return RefuseRows(wire, why);
}

// Rows, and the features made of them, of every kernel are bounded alike.
absl::Status CheckNumFeatures(const FeatureSpec& spec, int64_t head_dim, int64_t num_rows) {
  const int64_t num_features = NumFeatures(spec, head_dim, num_rows);
  if (num_features <= kMaxNumFeatures) return absl::OkStatus();
  if (ProjectionUseOf(spec) == ProjectionUse::kNone) {
    return FieldError("spec.features.kernel",
                      absl::StrCat("spec.features.kernel makes ", num_features, " features of queries.head_dim ",
                                   head_dim, ", at most ", kMaxNumFeatures));
  }
  return FieldError(kNumFeatures, absl::StrCat(kNumFeatures, " is ", num_rows, ", its estimator makes ", num_features,
                                               " features of them, at most ", kMaxNumFeatures));
}

// The same numbers as float32.
absl::StatusOr<AlignedBuffer<std::byte>> Widened(const AlignedBuffer<std::byte>& data, DataType type) {
  const auto widen = type == DataType::kFloat16 ? Float32FromFloat16 : Float32FromBFloat16;
  const int64_t size = data.size() / SizeOf(type);
  auto widened = AlignedBuffer<std::byte>::Allocate(size * static_cast<int64_t>(sizeof(float)));
  if (!widened.ok()) return widened.status();
  for (int64_t i = 0; i < size; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, data.data() + i * sizeof(bits), sizeof(bits));
    const float value = widen(bits);
    std::memcpy(widened->data() + i * sizeof(value), &value, sizeof(value));
  }
  return widened;
}

absl::Status ReadSupplied(const v1::Tensor& wire, AlignedBuffer<std::byte> data, const SpecSizes& sizes,
                          SpecWork* work) {
  const absl::StatusOr<DataType> type = ReadDataType(wire.data_type(), absl::StrCat(kMatrix, ".data_type"));
  if (!type.ok()) return type.status();
  if (absl::Status status = CheckShape(wire, *type, data.size(), kMatrix); !status.ok()) return status;

  const int rank = wire.shape_size();
  const int64_t key_heads = sizes.num_key_heads;
  const int64_t head_dim = sizes.head_dim;
  const bool right_shape = (rank == 2 || (rank == 3 && wire.shape(0) == key_heads)) &&
                           wire.shape(rank - 1) == head_dim && wire.shape(rank - 2) >= 1 &&
                           wire.shape(rank - 2) <= kMaxNumFeatures;
  if (!right_shape) {
    return FieldError(
        absl::StrCat(kMatrix, ".shape"),
        absl::StrCat(kMatrix, ".shape is [", absl::StrJoin(wire.shape(), ", "), "], must be [num_features, ", head_dim,
                     "] or [", key_heads, ", num_features, ", head_dim, "] with num_features 1 to ", kMaxNumFeatures));
  }
  if (*type != DataType::kFloat32) {
    absl::StatusOr<AlignedBuffer<std::byte>> widened = Widened(data, *type);
    if (!widened.ok()) return widened.status();
    data = *std::move(widened);
  }
  const absl::Span<const float> rows(reinterpret_cast<const float*>(data.data()), data.size() / sizeof(float));
  auto projection = SuppliedProjection(rows, rank == 3 ? key_heads : 1, wire.shape(rank - 2), head_dim);
  if (absl::IsInvalidArgument(projection.status())) {
    return FieldError(kMatrix, absl::StrCat("spec.features.", projection.status().message()));
  }
  if (!projection.ok()) return projection.status();
  work->supplied_projection = *std::move(projection);
  return absl::OkStatus();
}

absl::StatusOr<RowNorms> ReadRowNorms(const v1::Projection& wire, const FeatureSpec& features) {
  const bool regularized = features.kernel == Kernel::kSoftmaxRegularized;
  if (UsesStatistics(features) && wire.row_norms() == v1::ROW_NORMS_SQRT_DIM) {
    return Refuse(kRowNorms, "ROW_NORMS_SQRT_DIM", "features that use statistics need ROW_NORMS_CHI");
  }
  if (wire.kind() == v1::PROJECTION_KIND_IID) {
    if (regularized) {
      return Refuse(kKind, "PROJECTION_KIND_IID", "KERNEL_SOFTMAX_REGULARIZED needs rows of norm sqrt(head_dim)");
    }
    if (wire.row_norms() != v1::ROW_NORMS_UNSPECIFIED) {
      return Refuse(kRowNorms, v1::RowNorms_Name(wire.row_norms()), "PROJECTION_KIND_IID takes none");
    }
    return RowNorms::kChi;
  }
  if (regularized && wire.row_norms() == v1::ROW_NORMS_CHI) {
    return Refuse(kRowNorms, "ROW_NORMS_CHI", "KERNEL_SOFTMAX_REGULARIZED needs rows of norm sqrt(head_dim)");
  }
  return regularized || wire.row_norms() == v1::ROW_NORMS_SQRT_DIM ? RowNorms::kSqrtDim : RowNorms::kChi;
}

ProjectionKind DrawnKind(v1::ProjectionKind wire) {
  if (wire == v1::PROJECTION_KIND_IID) return ProjectionKind::kIid;
  if (wire == v1::PROJECTION_KIND_STRUCTURED) return ProjectionKind::kStructured;
  if (wire == v1::PROJECTION_KIND_SIMPLEX) return ProjectionKind::kSimplex;
  return ProjectionKind::kOrthogonal;  // the default
}

v1::ProjectionKind ToWire(ProjectionKind kind) {
  switch (kind) {
    case ProjectionKind::kOrthogonal:
      return v1::PROJECTION_KIND_ORTHOGONAL;
    case ProjectionKind::kIid:
      return v1::PROJECTION_KIND_IID;
    case ProjectionKind::kStructured:
      return v1::PROJECTION_KIND_STRUCTURED;
    case ProjectionKind::kSimplex:
      return v1::PROJECTION_KIND_SIMPLEX;
    case ProjectionKind::kSupplied:
      return v1::PROJECTION_KIND_SUPPLIED;
  }
  return v1::PROJECTION_KIND_UNSPECIFIED;
}

absl::StatusOr<ProjectionSpec> ReadDrawn(const v1::FeatureSpec& wire, const FeatureSpec& features, int64_t head_dim) {
  ProjectionSpec spec;
  spec.head_dim = head_dim;
  spec.num_features = wire.has_num_features() ? wire.num_features() : kDefaultFeaturesPerDim * head_dim;
  if (spec.num_features < 1) return Refuse(kNumFeatures, absl::StrCat(spec.num_features), "at least 1");
  if (spec.num_features > kMaxNumFeatures) {
    return Refuse(kNumFeatures, absl::StrCat(spec.num_features), absl::StrCat("at most ", kMaxNumFeatures));
  }
  spec.kind = DrawnKind(wire.projection().kind());
  const absl::StatusOr<RowNorms> row_norms = ReadRowNorms(wire.projection(), features);
  if (!row_norms.ok()) return row_norms.status();
  spec.row_norms = *row_norms;
  spec.seed = wire.projection().seed();
  absl::Status status = CheckNumFeatures(features, head_dim, spec.num_features);
  if (!status.ok()) return status;
  return spec;
}

}  // namespace

absl::StatusOr<std::optional<ProjectionSpec>> ReadDrawnProjection(const v1::FeatureSpec& wire,
                                                                  const FeatureSpec& features, int64_t head_dim) {
  const v1::Projection& projection = wire.projection();
  if (absl::Status status = CheckEnums(projection); !status.ok()) return status;
  if (projection.kind() == v1::PROJECTION_KIND_IDENTITY) {
    if (features.kernel != Kernel::kGeneralized) {
      return Refuse(kKind, "PROJECTION_KIND_IDENTITY", "which only KERNEL_GENERALIZED takes");
    }
    absl::Status status = RefuseProjection(wire, "PROJECTION_KIND_IDENTITY takes none");
    if (!status.ok()) return status;
    return std::nullopt;
  }
  if (ProjectionUseOf(features) == ProjectionUse::kNone) {
    // How rows are drawn is for where FAVOR+ runs in the place of the best.
    const bool is_best = wire.estimator() == v1::ESTIMATOR_BEST && !projection.has_matrix();
    const std::string why = UsesAnchors(features) ? "anchors take no projection" : "the kernel takes no projection";
    if (projection.kind() != v1::PROJECTION_KIND_UNSPECIFIED && !is_best) {
      return Refuse(kKind, v1::ProjectionKind_Name(projection.kind()), why);
    }
    absl::Status status = is_best                 ? absl::OkStatus()
                          : UsesAnchors(features) ? RefuseRows(wire, why)
                                                  : RefuseProjection(wire, why);
    status.Update(CheckNumFeatures(features, head_dim, 0));
    if (!status.ok()) return status;
    return std::nullopt;
  }
  if (projection.kind() == v1::PROJECTION_KIND_SUPPLIED) {
    return FieldError(kMatrix, absl::StrCat(kMatrix, " is unset, PROJECTION_KIND_SUPPLIED needs it"));
  }
  return ReadDrawn(wire, features, head_dim);
}

absl::Status ReadProjection(const v1::FeatureSpec& wire, const SpecSizes& sizes, LiftedData* data, SpecWork* work) {
  const v1::Projection& projection = wire.projection();
  const FeatureSpec& features = work->spec.features;
  const bool takes_matrix =
      ProjectionUseOf(features) != ProjectionUse::kNone && projection.kind() != v1::PROJECTION_KIND_IDENTITY;
  if (!projection.has_matrix() || !takes_matrix) {
    auto drawn = ReadDrawnProjection(wire, features, sizes.head_dim);
    if (!drawn.ok()) return drawn.status();
    work->drawn_projection = *drawn;
    return absl::OkStatus();
  }

  if (absl::Status status = CheckEnums(projection); !status.ok()) return status;
  if (projection.kind() != v1::PROJECTION_KIND_SUPPLIED && projection.kind() != v1::PROJECTION_KIND_UNSPECIFIED) {
    return Refuse(kKind, v1::ProjectionKind_Name(projection.kind()), absl::StrCat("while ", kMatrix, " is set"));
  }
  if (absl::Status status = RefuseDraw(projection, "a supplied matrix takes none"); !status.ok()) return status;
  absl::Status status = ReadSupplied(projection.matrix(), data->Take(projection.matrix().data()), sizes, work);
  if (!status.ok()) return status;
  const int64_t num_rows = work->supplied_projection->num_features();
  if (wire.has_num_features() && wire.num_features() != num_rows) {
    return Refuse(kNumFeatures, absl::StrCat(wire.num_features()), absl::StrCat(kMatrix, " has ", num_rows, " rows"));
  }
  return CheckNumFeatures(features, sizes.head_dim, num_rows);
}

void WriteDrawnProjection(const ProjectionSpec& drawn, v1::FeatureSpec* wire) {
  v1::Projection* projection = wire->mutable_projection();
  wire->set_num_features(drawn.num_features);
  projection->set_seed(drawn.seed);
  projection->set_kind(ToWire(drawn.kind));
  if (TakesRowNorms(drawn.kind)) {
    projection->set_row_norms(drawn.row_norms == RowNorms::kChi ? v1::ROW_NORMS_CHI : v1::ROW_NORMS_SQRT_DIM);
  }
}

void WriteProjection(const SpecWork& work, v1::FeatureSpec* wire) {
  v1::Projection* projection = wire->mutable_projection();
  if (work.supplied_projection != nullptr) {
    projection->set_kind(v1::PROJECTION_KIND_SUPPLIED);
    wire->set_num_features(work.supplied_projection->num_features());
  } else if (work.drawn_projection) {
    WriteDrawnProjection(*work.drawn_projection, wire);
  } else if (ProjectionUseOf(work.spec.features) == ProjectionUse::kOptional) {
    projection->set_kind(v1::PROJECTION_KIND_IDENTITY);
  } else {
    wire->clear_projection();
  }
}

}  // namespace favor
