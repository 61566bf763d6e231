#ifndef FAVOR_TESTS_LAYOUT_SOURCE_TREE_H_
#define FAVOR_TESTS_LAYOUT_SOURCE_TREE_H_

#include <filesystem>
#include <string>
#include <vector>

namespace favor::layout {

// One text file of the repository. Paths are relative to its root, with '/'.
struct SourceFile {
  std::string path;
  std::vector<std::string> lines;

  // What stands between "" or <> of each #include.
  struct Include {
    std::string path;
    bool quoted = false;
    int line = 0;  // from 1
  };
  std::vector<Include> includes;
};

struct SourceTree {
  std::vector<std::string> top_level_entries;  // folders end with '/'; what .gitignore leaves out is left out here too
  std::vector<SourceFile> files;               // C++, protocol, CMake and shell files, sorted by path
};

SourceTree ReadSourceTree(const std::filesystem::path& root);

}  // namespace favor::layout

#endif  // FAVOR_TESTS_LAYOUT_SOURCE_TREE_H_
