#include "tests/integration/harness/exposition.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace favor::testing {
namespace {

absl::Status Bad(absl::string_view why, absl::string_view line) {
  return absl::InvalidArgumentError(absl::StrCat(why, " in: ", line));
}

bool IsName(absl::string_view text, bool colon) {
  if (text.empty() || absl::ascii_isdigit(text[0])) return false;
  return std::all_of(text.begin(), text.end(),
                     [colon](char c) { return absl::ascii_isalnum(c) || c == '_' || (colon && c == ':'); });
}

// Takes {name="value",...} off the front of `rest`; nullopt when it is not well formed.
std::optional<Exposition::Labels> TakeLabels(absl::string_view* rest) {
  Exposition::Labels labels;
  if (!absl::ConsumePrefix(rest, "{")) return labels;
  while (!absl::ConsumePrefix(rest, "}")) {
    const size_t equals = rest->find('=');
    if (equals == absl::string_view::npos) return std::nullopt;
    const std::string name(rest->substr(0, equals));
    rest->remove_prefix(equals + 1);
    if (!IsName(name, false) || labels.count(name) != 0 || !absl::ConsumePrefix(rest, "\"")) return std::nullopt;
    std::string& value = labels[name];
    while (!absl::ConsumePrefix(rest, "\"")) {
      if (rest->empty()) return std::nullopt;
      if (absl::ConsumePrefix(rest, "\\") && !absl::StartsWith(*rest, "\\") && !absl::StartsWith(*rest, "\"") &&
          !absl::StartsWith(*rest, "n")) {
        return std::nullopt;
      }
      value += rest->front();
      rest->remove_prefix(1);
    }
    if (!absl::ConsumePrefix(rest, ",") && !absl::StartsWith(*rest, "}")) return std::nullopt;
  }
  return labels;
}

std::optional<double> NumberOf(absl::string_view text) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "+Inf") return kInfinity;
  if (text == "-Inf") return -kInfinity;
  if (text == "NaN" || text == "Nan") return std::numeric_limits<double>::quiet_NaN();
  double number = 0;
  if (!absl::SimpleAtod(text, &number)) return std::nullopt;
  return number;
}

// The family a sample belongs to: histograms and summaries have suffixed samples.
std::string FamilyOf(const std::string& name, const std::map<std::string, Exposition::Family>& families) {
  if (families.count(name) != 0) return name;
  for (const absl::string_view suffix : {"_bucket", "_sum", "_count"}) {
    if (!absl::EndsWith(name, suffix)) continue;
    const std::string base(absl::StripSuffix(name, suffix));
    const auto it = families.find(base);
    if (it != families.end() && (it->second.type == "histogram" || it->second.type == "summary")) return base;
  }
  return "";
}

// Buckets of one series, in the order of the text.
struct Series {
  std::vector<std::pair<double, double>> buckets;  // upper bound, count
  std::optional<double> count;
  bool has_sum = false;
};

absl::Status CheckHistogram(absl::string_view name, const Series& series) {
  if (series.buckets.empty() || !series.count || !series.has_sum) {
    return Bad("a histogram without buckets, sum or count", name);
  }
  for (size_t i = 1; i < series.buckets.size(); ++i) {
    if (series.buckets[i].first <= series.buckets[i - 1].first) return Bad("bounds of buckets that do not rise", name);
    if (series.buckets[i].second < series.buckets[i - 1].second) return Bad("counts of buckets that fall", name);
  }
  const auto& [last_bound, last_count] = series.buckets.back();
  if (last_bound != std::numeric_limits<double>::infinity()) return Bad("no bucket +Inf", name);
  if (last_count != *series.count) return Bad("a count that is not that of the bucket +Inf", name);
  return absl::OkStatus();
}

absl::Status CheckHistograms(const Exposition& exposition) {
  std::map<std::pair<std::string, Exposition::Labels>, Series> all;
  for (const Exposition::Sample& sample : exposition.samples()) {
    const std::string family = FamilyOf(sample.name, exposition.families());
    if (exposition.families().at(family).type != "histogram") continue;
    Exposition::Labels labels = sample.labels;
    labels.erase("le");
    Series& series = all[{family, labels}];
    if (absl::EndsWith(sample.name, "_bucket")) {
      const auto le = sample.labels.find("le");
      const std::optional<double> bound = le == sample.labels.end() ? std::nullopt : NumberOf(le->second);
      if (!bound) return Bad("a bucket without a bound", sample.name);
      series.buckets.emplace_back(*bound, sample.value);
    } else if (absl::EndsWith(sample.name, "_count")) {
      series.count = sample.value;
    } else {
      series.has_sum = true;
    }
  }
  for (const auto& [key, series] : all) {
    if (absl::Status status = CheckHistogram(key.first, series); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Exposition> Exposition::Parse(const std::string& text) {
  if (text.empty() || text.back() != '\n') return Bad("no line feed at the end", text.substr(0, 80));
  Exposition exposition;
  std::string current;  // the family whose samples follow
  std::set<std::string> ended;
  std::set<std::pair<std::string, Labels>> seen;
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    if (absl::StartsWith(line, "# ")) {
      const std::vector<absl::string_view> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
      if (words.size() < 4 || !IsName(words[2], true)) return Bad("no HELP or TYPE", line);
      const std::string name(words[2]);
      if (name != current && !ended.insert(name).second) return Bad("a family that comes twice", line);
      current = name;
      Family& family = exposition.families_[name];
      std::string& field = words[1] == "TYPE" ? family.type : family.help;
      if (!field.empty() || (words[1] != "TYPE" && words[1] != "HELP")) return Bad("a second announcement", line);
      field = std::string(words[3]);
      continue;
    }
    absl::string_view rest = line;
    const size_t name_end = rest.find_first_of("{ ");
    if (name_end == absl::string_view::npos) return Bad("no value", line);
    Sample sample;
    sample.name = std::string(rest.substr(0, name_end));
    rest.remove_prefix(name_end);
    const std::optional<Labels> labels = TakeLabels(&rest);
    if (!IsName(sample.name, true) || !labels || !absl::ConsumePrefix(&rest, " ")) return Bad("no sample", line);
    const std::optional<double> value = NumberOf(rest);
    if (!value) return Bad("no number", line);
    sample.labels = *labels;
    sample.value = *value;
    if (FamilyOf(sample.name, exposition.families_) != current) return Bad("a sample outside its family", line);
    if (!seen.insert({sample.name, sample.labels}).second) return Bad("a sample that comes twice", line);
    exposition.samples_.push_back(std::move(sample));
  }
  for (const auto& [name, family] : exposition.families_) {
    if (family.help.empty() || family.type.empty()) return Bad("a family without help or type", name);
    if ((family.type == "counter") != absl::EndsWith(name, "_total")) return Bad("a misnamed counter", name);
  }
  if (absl::Status status = CheckHistograms(exposition); !status.ok()) return status;
  return exposition;
}

bool Exposition::Has(absl::string_view name) const { return families_.count(std::string(name)) != 0; }

double Exposition::Sum(absl::string_view name, const Labels& labels) const {
  double sum = 0;
  for (const Sample& sample : samples_) {
    if (sample.name != name) continue;
    const bool matches = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
      const auto it = sample.labels.find(label.first);
      return it != sample.labels.end() && it->second == label.second;
    });
    if (matches) sum += sample.value;
  }
  return sum;
}

}  // namespace favor::testing
