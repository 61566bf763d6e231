#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_EXPOSITION_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_EXPOSITION_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor::testing {

// What a Prometheus server reads: the text exposition format, version 0.0.4.
class Exposition {
 public:
  using Labels = std::map<std::string, std::string>;
  struct Sample {
    std::string name;
    Labels labels;
    double value = 0;
  };
  struct Family {
    std::string type;
    std::string help;
  };

  // Everything is checked: names, escapes, numbers, that each family is announced once and its samples follow it,
  // that no sample comes twice, that counters end in _total, and that buckets of histograms rise up to their count.
  // InvalidArgumentError quoting the line.
  static absl::StatusOr<Exposition> Parse(const std::string& text);

  const std::map<std::string, Family>& families() const { return families_; }
  const std::vector<Sample>& samples() const { return samples_; }

  bool Has(absl::string_view name) const;
  // Sum of the samples of this name that have these labels, and maybe others. 0 when there is none.
  double Sum(absl::string_view name, const Labels& labels = {}) const;

 private:
  std::map<std::string, Family> families_;
  std::vector<Sample> samples_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_EXPOSITION_H_
