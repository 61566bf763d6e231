#ifndef FAVOR_TESTS_SUPPORT_PERFORMER_GOLDEN_H_
#define FAVOR_TESTS_SUPPORT_PERFORMER_GOLDEN_H_

#include <memory>
#include <string>
#include <vector>

#include "favor/model/encoder.h"
#include "favor/model/performer_config.h"
#include "tests/support/model_golden.h"

namespace favor::testing {

struct PerformerGolden {
  ModelGolden golden;
  PerformerConfig config;
  std::shared_ptr<const Encoder> encoder;
};

// Files of tests/data/models/performer, sorted: one for each constructor option.
std::vector<std::string> PerformerGoldens();

// One of them, loaded. A "Performer" reads vectors, not ids: they become the vocabulary, in a copy of the file that is
// written as scratch_path plus the file's name, and the ids count through it.
PerformerGolden LoadPerformerGolden(const std::string& name, const std::string& scratch_path);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_PERFORMER_GOLDEN_H_
