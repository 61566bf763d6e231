#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_TEMP_DIR_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_TEMP_DIR_H_

#include <string>

namespace favor::testing {

// A folder of its own, removed with all it holds when the object goes.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& contents) const;

 private:
  std::string path_;
};

std::string ReadWholeFile(const std::string& path);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_TEMP_DIR_H_
