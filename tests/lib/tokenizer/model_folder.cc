#include "tests/lib/tokenizer/model_folder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace favor {

ModelFolder::ModelFolder() : path_(testing::TempDir() + "/model_XXXXXX") { EXPECT_NE(mkdtemp(path_.data()), nullptr); }

ModelFolder::~ModelFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ModelFolder& ModelFolder::Write(const std::string& file, absl::string_view text) {
  std::ofstream(path_ + "/" + file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  return *this;
}

std::unique_ptr<Tokenizer> ModelFolder::Load() const {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(path_);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  if (!tokenizer.ok()) return nullptr;
  EXPECT_NE(*tokenizer, nullptr);
  return *std::move(tokenizer);
}

std::string ModelFolder::Error() const {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(path_);
  EXPECT_TRUE(absl::IsInvalidArgument(tokenizer.status())) << tokenizer.status();
  return std::string(tokenizer.status().message());
}

}  // namespace favor
