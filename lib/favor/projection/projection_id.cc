#include "favor/projection/projection_id.h"

#include "favor/base/hash128.h"

namespace favor::internal {
namespace {

constexpr char kText[] = "favorprj";

uint8_t CodeOf(ProjectionKind kind) {
  switch (kind) {
    case ProjectionKind::kOrthogonal:
      return 1;
    case ProjectionKind::kIid:
      return 2;
    case ProjectionKind::kSupplied:
      return 3;
    case ProjectionKind::kStructured:
      return 4;
    case ProjectionKind::kSimplex:
      return 5;
  }
  return 0;
}

uint8_t CodeOf(RowNorms row_norms) { return row_norms == RowNorms::kChi ? 1 : 2; }

FieldHasher StartId(ProjectionKind kind) {
  FieldHasher hasher;
  hasher.AddBytes(kText).AddUint8(kProjectionIdVersion).AddUint8(CodeOf(kind));
  return hasher;
}

}  // namespace

std::string DrawnProjectionId(const ProjectionSpec& spec) {
  FieldHasher hasher = StartId(spec.kind);
  hasher.AddUint8(TakesRowNorms(spec.kind) ? CodeOf(spec.row_norms) : 0)
      .AddUint64(spec.seed)
      .AddUint64(spec.num_features)
      .AddUint64(spec.head_dim);
  return hasher.HexDigest128();
}

std::string SuppliedProjectionId(absl::Span<const float> rows, int64_t num_matrices, int64_t num_features,
                                 int64_t head_dim) {
  FieldHasher hasher = StartId(ProjectionKind::kSupplied);
  hasher.AddUint64(num_matrices).AddUint64(num_features).AddUint64(head_dim).AddFloats(rows);
  return hasher.HexDigest128();
}

}  // namespace favor::internal
