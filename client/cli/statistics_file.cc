#include "client/cli/statistics_file.h"

#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace favor::cli {
namespace {

bool ReadNumbers(const Json& head, const char* name, std::vector<double>* numbers) {
  const auto found = head.find(name);
  if (found == head.end()) return true;
  if (!found->is_array()) return false;
  for (const Json& number : *found) {
    if (!number.is_number()) return false;
    numbers->push_back(number.get<double>());
  }
  return true;
}

}  // namespace

Json StatisticsToJson(const client::Statistics& statistics) {
  Json heads = Json::array();
  for (const client::Statistics::Head& head : statistics.heads) {
    heads.push_back({{"key_shift", head.key_shift},
                     {"query_transform", head.query_transform},
                     {"proposal", head.proposal},
                     {"anchors", head.anchors},
                     {"directions", head.directions}});
  }
  return {{"heads", heads}};
}

absl::Status WriteStatistics(const std::string& path, const client::Statistics& statistics) {
  std::ofstream file(path);
  file << ToText(StatisticsToJson(statistics), -1) << "\n";
  file.close();
  return file ? absl::OkStatus() : absl::InternalError(absl::StrCat("--output: cannot write ", path));
}

absl::StatusOr<client::Statistics> ReadStatistics(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("--statistics: cannot read ", path));
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  const absl::Status malformed = absl::InvalidArgumentError(
      absl::StrCat("--statistics: ", path, " is not {\"heads\": [{\"key_shift\": [numbers], ...}, ...]}"));
  if (!json.is_object() || !json.contains("heads") || !json["heads"].is_array()) return malformed;
  client::Statistics statistics;
  for (const Json& entry : json["heads"]) {
    client::Statistics::Head head;
    if (!entry.is_object() || !ReadNumbers(entry, "key_shift", &head.key_shift) ||
        !ReadNumbers(entry, "query_transform", &head.query_transform) ||
        !ReadNumbers(entry, "proposal", &head.proposal) || !ReadNumbers(entry, "anchors", &head.anchors) ||
        !ReadNumbers(entry, "directions", &head.directions)) {
      return malformed;
    }
    statistics.heads.push_back(std::move(head));
  }
  return statistics;
}

}  // namespace favor::cli
