#include "tests/layout/source_tree.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string_view>

namespace favor::layout {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> ReadLines(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool IsSource(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".h", ".cc", ".proto", ".sh", ".cmake", ".py"};
  return kExtensions.contains(path.extension().string()) || path.filename() == "CMakeLists.txt" ||
         path.filename() == "dev";
}

std::vector<SourceFile::Include> FindIncludes(const std::vector<std::string>& lines) {
  std::vector<SourceFile::Include> includes;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    auto skip_spaces = [&line] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
    skip_spaces();
    if (!line.starts_with('#')) continue;
    line.remove_prefix(1);
    skip_spaces();
    if (!line.starts_with("include")) continue;
    line.remove_prefix(std::string_view("include").size());
    skip_spaces();
    if (!line.starts_with('"') && !line.starts_with('<')) continue;
    const bool quoted = line.front() == '"';
    line.remove_prefix(1);
    const size_t end = line.find(quoted ? '"' : '>');
    includes.push_back({std::string(line.substr(0, end)), quoted, static_cast<int>(i) + 1});
  }
  return includes;
}

// The entries of the root that .gitignore names as "/entry/" or "/entry", and .git.
std::set<std::string> IgnoredEntries(const fs::path& root) {
  std::set<std::string> ignored = {".git"};
  for (std::string line : ReadLines(root / ".gitignore")) {
    if (!line.starts_with('/')) continue;
    line.erase(0, 1);
    if (line.ends_with('/')) line.pop_back();
    ignored.insert(line);
  }
  return ignored;
}

}  // namespace

SourceTree ReadSourceTree(const fs::path& root) {
  SourceTree tree;
  const std::set<std::string> ignored = IgnoredEntries(root);
  auto add_file = [&](const fs::path& path) {
    if (!IsSource(path)) return;
    SourceFile file{.path = path.lexically_relative(root).generic_string(), .lines = ReadLines(path), .includes = {}};
    file.includes = FindIncludes(file.lines);
    tree.files.push_back(std::move(file));
  };
  for (const fs::directory_entry& top : fs::directory_iterator(root)) {
    const std::string name = top.path().filename().string();
    if (ignored.contains(name)) continue;
    tree.top_level_entries.push_back(top.is_directory() ? name + "/" : name);
    if (!top.is_directory()) {
      add_file(top.path());
      continue;
    }
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(top)) {
      if (entry.is_regular_file()) add_file(entry.path());
    }
  }
  std::sort(tree.top_level_entries.begin(), tree.top_level_entries.end());
  std::sort(tree.files.begin(), tree.files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return tree;
}

}  // namespace favor::layout
