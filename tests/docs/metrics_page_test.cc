#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "server/observability/metrics.h"
#include "tests/docs/page.h"

namespace favor {
namespace {

const char* TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "gauge";
  }
}

TEST(MetricsPage, ListsEveryMetricWithItsTypeAndNoOther) {
  std::set<std::string> documented, actual;
  for (const std::vector<std::string>& row : testing::TableRows("metrics.md")) {
    ASSERT_GE(row.size(), 4u);
    for (const absl::string_view name : absl::StrSplit(row[0], ", "))
      documented.insert(absl::StrCat(name, " ", row[1]));
  }
  Metrics metrics;
  const auto zero = [] { return int64_t{0}; };
  metrics.SetSources({[] { return AdmissionStats(); }, zero, zero, zero, zero, nullptr, nullptr, zero,
                      [] { return absl::Duration(); }, [] { return std::array<int64_t, kNumPriorities>(); }, nullptr,
                      zero});
  metrics.ForMethod("service", "Method", "unary");
  for (const prometheus::MetricFamily& family : metrics.Collect()) {
    actual.insert(absl::StrCat("`", family.name, "` ", TypeName(family.type)));
  }
  EXPECT_EQ(documented, actual);
}

}  // namespace
}  // namespace favor
