#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/quantity.h"
#include "server/config/settings.h"
#include "tests/docs/page.h"

namespace favor {
namespace {

std::string Code(const std::string& text) { return text.empty() ? "" : absl::StrCat("`", text, "`"); }

// "1KiB to 2GiB − 1" of a range; numbers without a unit are not asked for.
TEST(SettingsPage, SizesInRangesCanBeTyped) {
  int num_sizes = 0;
  for (const std::vector<std::string>& row : testing::TableRows("settings.md")) {
    for (const absl::string_view word : absl::StrSplit(row[3], ' ')) {
      if (!absl::EndsWith(word, "iB")) continue;
      ++num_sizes;
      EXPECT_TRUE(ParseBytes(word).ok()) << row[0] << ": " << word;
    }
  }
  EXPECT_GT(num_sizes, 0);
}

TEST(SettingsPage, ListsEverySettingInOrderWithItsEnvironmentNameAndDefault) {
  std::vector<std::vector<std::string>> documented, actual;
  for (const std::vector<std::string>& row : testing::TableRows("settings.md")) {
    ASSERT_EQ(row.size(), 5u);
    documented.push_back({row[0], row[1], row[2]});
  }
  for (const Setting& setting : AllSettings()) {
    actual.push_back({Code("--" + setting.name), Code(setting.EnvironmentName()), Code(setting.default_value)});
  }
  EXPECT_THAT(documented, ::testing::ElementsAreArray(actual));
}

}  // namespace
}  // namespace favor
