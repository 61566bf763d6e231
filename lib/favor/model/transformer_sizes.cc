#include "favor/model/transformer_sizes.h"

#include "absl/strings/str_cat.h"
#include "favor/projection/projection.h"

namespace favor {

void SetHeads(const JsonFields& fields, const char* hidden_size_key, const char* num_heads_key,
              TransformerSizes* sizes) {
  if (!fields.ok()) return;
  if (sizes->head_dim == 0) {
    if (sizes->hidden_size % sizes->num_heads != 0) {
      return fields.FailValue(hidden_size_key,
                              absl::StrCat("must be a multiple of ", num_heads_key, ", ", sizes->num_heads));
    }
    sizes->head_dim = sizes->hidden_size / sizes->num_heads;
  }
  if (sizes->num_key_heads == 0) sizes->num_key_heads = sizes->num_heads;
  if (sizes->num_heads % sizes->num_key_heads != 0) {
    fields.FailValue("num_key_value_heads", absl::StrCat("must divide ", num_heads_key, ", ", sizes->num_heads));
  } else if (sizes->head_dim > kMaxHeadDim) {
    fields.FailValue(hidden_size_key, absl::StrCat("makes heads of more than ", kMaxHeadDim, " dimensions"));
  } else if (sizes->width() > kMostUnits) {
    fields.Fail("head_dim", absl::StrCat("and ", num_heads_key, " make more than ", kMostUnits, " units"));
  }
}

}  // namespace favor
