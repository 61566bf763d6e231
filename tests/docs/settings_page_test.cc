#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/settings.h"
#include "tests/docs/page.h"

namespace favor {
namespace {

std::string Code(const std::string& text) { return text.empty() ? "" : absl::StrCat("`", text, "`"); }

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
