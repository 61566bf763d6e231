#include "tests/docs/page.h"

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace favor::testing {

std::vector<std::vector<std::string>> TableRows(const std::string& name) {
  std::ifstream page(FAVOR_TEST_DATA_DIR "/../../docs/" + name);
  std::vector<std::vector<std::string>> rows;
  bool below_ruler = false;
  for (std::string line; std::getline(page, line);) {
    if (!absl::StartsWith(line, "|")) {
      below_ruler = false;
    } else if (absl::StartsWith(line, "|---")) {
      below_ruler = true;
    } else if (below_ruler) {
      const absl::string_view inner = absl::StripSuffix(absl::StripPrefix(line, "|"), "|");
      std::vector<std::string> cells;
      for (const absl::string_view cell : absl::StrSplit(inner, '|')) {
        cells.emplace_back(absl::StripAsciiWhitespace(cell));
      }
      rows.push_back(std::move(cells));
    }
  }
  return rows;
}

}  // namespace favor::testing
