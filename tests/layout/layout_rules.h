#ifndef FAVOR_TESTS_LAYOUT_LAYOUT_RULES_H_
#define FAVOR_TESTS_LAYOUT_LAYOUT_RULES_H_

#include <string>
#include <vector>

#include "tests/layout/source_tree.h"

namespace favor::layout {

// Each rule returns its violations, one line each, naming file, line where there is one, and what is allowed.
using Violations = std::vector<std::string>;

// The arrows between folders, read from the include lines:
//   lib/favor   each folder may include itself and those before it: base, tensor, format, kernels, projection,
//               feature_map, attention, model. Highway only in kernels, Eigen anywhere but there.
//               No gRPC, Protobuf or Prometheus.
//   server      anything of lib; no Highway, no Eigen, nothing of client. server/execution also no gRPC, Protobuf or
//               Prometheus: it is what ThreadSanitizer can run over.
//   client      nothing of server; of lib only favor/format/, favor/tensor/data_type.h and favor/base/version.h.
Violations CheckArrows(const SourceTree& tree);

// What a program gets by including client/client.h is free of generated code.
Violations CheckClientHeaders(const SourceTree& tree);

// No file is longer than 500 lines.
Violations CheckFileLengths(const SourceTree& tree);

// Headers are guarded by FAVOR_<PATH>_H_, the path taken below lib/favor/ or from the root.
Violations CheckIncludeGuards(const SourceTree& tree);

// No file or folder is called utils, common, manager or helper: such a name says nothing about what belongs inside.
Violations CheckNames(const SourceTree& tree);

// The top level, and lib/favor/, hold what ARCHITECTURE.md says and nothing else.
Violations CheckEntries(const SourceTree& tree);

}  // namespace favor::layout

#endif  // FAVOR_TESTS_LAYOUT_LAYOUT_RULES_H_
