#include "client/cli/names.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "favor/v1/attention.pb.h"
#include "favor/v1/embedding.pb.h"
#include "grpc/health/v1/health.pb.h"

namespace favor::cli {
namespace {

// Every value of the proto has the client's number and, without the prefix and in lower case, the client's name.
template <typename E>
void ExpectMirrors(const google::protobuf::EnumDescriptor* wire, const std::string& prefix) {
  std::set<int> known;
  for (const Named<E>& it : NamesOf<E>()) {
    const auto* value = wire->FindValueByNumber(static_cast<int>(it.value));
    ASSERT_NE(value, nullptr) << it.name;
    EXPECT_EQ(absl::AsciiStrToLower(value->name()), absl::AsciiStrToLower(absl::StrCat(prefix, std::string(it.name))));
    known.insert(value->number());
  }
  for (int i = 0; i < wire->value_count(); ++i) {
    const bool unspecified = wire->value(i)->number() == 0;
    EXPECT_TRUE(unspecified || known.contains(wire->value(i)->number())) << wire->value(i)->full_name();
  }
}

TEST(Names, MirrorTheProto) {
  ExpectMirrors<client::Kernel>(v1::Kernel_descriptor(), "KERNEL_");
  ExpectMirrors<client::Estimator>(v1::Estimator_descriptor(), "ESTIMATOR_");
  ExpectMirrors<client::Nonlinearity>(v1::Nonlinearity_descriptor(), "NONLINEARITY_");
  ExpectMirrors<client::ProjectionKind>(v1::ProjectionKind_descriptor(), "PROJECTION_KIND_");
  ExpectMirrors<client::RowNorms>(v1::RowNorms_descriptor(), "ROW_NORMS_");
  ExpectMirrors<client::Precision>(v1::Precision_descriptor(), "PRECISION_");
  ExpectMirrors<client::Layout>(v1::Layout_descriptor(), "LAYOUT_");
  ExpectMirrors<client::WhenMissed>(v1::AutoSpec::WhenMissed_descriptor(), "WHEN_MISSED_");
  ExpectMirrors<client::Pooling>(v1::Pooling_descriptor(), "POOLING_");
  ExpectMirrors<client::OverLength>(v1::OverLength_descriptor(), "OVER_LENGTH_");
  ExpectMirrors<client::EmbeddingType>(v1::EmbeddingType_descriptor(), "EMBEDDING_TYPE_");
  ExpectMirrors<client::ServingStatus>(grpc::health::v1::HealthCheckResponse::ServingStatus_descriptor(), "");
}

TEST(Names, AValueWithoutANameIsUnspecified) {
  EXPECT_EQ(NameOfValue(client::Kernel::kUnspecified), "unspecified");
  EXPECT_EQ(NameOfValue(static_cast<client::Kernel>(99)), "unspecified");
  EXPECT_EQ(NameOfValue(client::Kernel::kTaylor2), "taylor2");
}

}  // namespace
}  // namespace favor::cli
