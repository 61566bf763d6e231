#ifndef FAVOR_TESTS_LIB_TOKENIZER_MODEL_FOLDER_H_
#define FAVOR_TESTS_LIB_TOKENIZER_MODEL_FOLDER_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/tokenizer.h"

namespace favor {

// A folder of its own below the tests' temporary one; removed with what it holds.
class ModelFolder {
 public:
  ModelFolder();
  ~ModelFolder();
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;

  ModelFolder& Write(const std::string& file, absl::string_view text);
  const std::string& path() const { return path_; }

  // The tokenizer; a failed expectation and null if there is none.
  std::unique_ptr<Tokenizer> Load() const;
  // The message of the InvalidArgumentError; empty and a failed expectation if it is none.
  std::string Error() const;

 private:
  std::string path_;
};

}  // namespace favor

#endif  // FAVOR_TESTS_LIB_TOKENIZER_MODEL_FOLDER_H_
