#ifndef FAVOR_CLIENT_CLI_NAMES_H_
#define FAVOR_CLIENT_CLI_NAMES_H_

#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/attention_spec.h"
#include "client/client.h"
#include "favor/tensor/data_type.h"

namespace favor::cli {

enum class Mode { kFeatures, kExact, kAuto };

template <typename E>
struct Named {
  E value;
  absl::string_view name;
};

// The names of an enumeration on the command line and in JSON: those of the proto in lower case, without its prefix.
// kUnspecified has none.
template <typename E>
absl::Span<const Named<E>> NamesOf();

template <>
absl::Span<const Named<Mode>> NamesOf<Mode>();
template <>
absl::Span<const Named<client::Kernel>> NamesOf<client::Kernel>();
template <>
absl::Span<const Named<client::Estimator>> NamesOf<client::Estimator>();
template <>
absl::Span<const Named<client::Nonlinearity>> NamesOf<client::Nonlinearity>();
template <>
absl::Span<const Named<client::ProjectionKind>> NamesOf<client::ProjectionKind>();
template <>
absl::Span<const Named<client::RowNorms>> NamesOf<client::RowNorms>();
template <>
absl::Span<const Named<client::Precision>> NamesOf<client::Precision>();
template <>
absl::Span<const Named<client::Layout>> NamesOf<client::Layout>();
template <>
absl::Span<const Named<client::WhenMissed>> NamesOf<client::WhenMissed>();
template <>
absl::Span<const Named<DataType>> NamesOf<DataType>();
template <>
absl::Span<const Named<client::Priority>> NamesOf<client::Priority>();
template <>
absl::Span<const Named<client::ServingStatus>> NamesOf<client::ServingStatus>();
template <>
absl::Span<const Named<client::Pooling>> NamesOf<client::Pooling>();
template <>
absl::Span<const Named<client::OverLength>> NamesOf<client::OverLength>();
template <>
absl::Span<const Named<client::EmbeddingType>> NamesOf<client::EmbeddingType>();

// The name of a value; "unspecified" for one that has none.
template <typename E>
std::string NameOfValue(E value) {
  const auto names = NamesOf<E>();
  const auto found = std::find_if(names.begin(), names.end(), [value](const auto& it) { return it.value == value; });
  return std::string(found == names.end() ? "unspecified" : found->name);
}

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_NAMES_H_
