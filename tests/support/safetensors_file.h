#ifndef FAVOR_TESTS_SUPPORT_SAFETENSORS_FILE_H_
#define FAVOR_TESTS_SUPPORT_SAFETENSORS_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// A safetensors file of F32 and F64 tensors, read without lib/favor/format: golden results must not hang on the code
// under test.
struct SafetensorsFile {
  struct Tensor {
    std::vector<int64_t> shape;
    std::vector<double> values;
  };
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  // A tensor of rank 4. It must be there.
  DoubleTensor Rank4(const std::string& name) const;
};

absl::StatusOr<SafetensorsFile> ReadSafetensors(const std::string& path);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_SAFETENSORS_FILE_H_
