#include "tests/layout/layout_rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string_view>

namespace favor::layout {
namespace {

constexpr size_t kMaxLines = 500;
constexpr std::array<std::string_view, 9> kLibFolders = {
    "base", "tensor", "format", "kernels", "projection", "feature_map", "tokenizer", "attention", "model"};
constexpr std::array<std::string_view, 3> kLibForClient = {"favor/format/", "favor/tensor/data_type.h",
                                                           "favor/base/version.h"};
constexpr std::array<std::string_view, 4> kTransport = {"grpc", "grpcpp/", "google/protobuf/", "prometheus/"};

bool StartsWithAny(std::string_view text, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [text](auto prefix) { return text.starts_with(prefix); });
}

bool IsCpp(const SourceFile& file) { return file.path.ends_with(".h") || file.path.ends_with(".cc"); }
bool IsGenerated(std::string_view include) { return include.ends_with(".pb.h"); }
bool IsTransport(std::string_view include) { return StartsWithAny(include, kTransport) || IsGenerated(include); }
bool IsHighway(std::string_view include) { return include.starts_with("hwy/"); }
bool IsEigen(std::string_view include) { return include.starts_with("Eigen/"); }
bool IsLib(std::string_view include) { return include.starts_with("favor/") && !IsGenerated(include); }

// The place of lib/favor/<folder>/ in the order of the folders, from the part of a path that follows "favor/".
std::optional<size_t> LibRank(std::string_view below_favor) {
  const auto folder = below_favor.substr(0, below_favor.find('/'));
  const auto it = std::find(kLibFolders.begin(), kLibFolders.end(), folder);
  if (it == kLibFolders.end()) return std::nullopt;
  return it - kLibFolders.begin();
}

// Why a file may not have this include; empty if it may.
std::string WhyNotInLib(std::string_view path, std::string_view include) {
  const std::string_view below_favor = path.substr(std::string_view("lib/favor/").size());
  const bool in_kernels = below_favor.starts_with("kernels/");
  if (IsTransport(include)) return "lib sees no gRPC, Protobuf or Prometheus";
  if (include.starts_with("server/") || include.starts_with("client/")) return "lib sees neither server nor client";
  if (IsHighway(include) && !in_kernels) return "only lib/favor/kernels includes Highway";
  if (IsEigen(include) && in_kernels) return "lib/favor/kernels is compiled once per CPU target and Eigen is not";
  if (!IsLib(include)) return "";
  const auto from = LibRank(below_favor);
  const auto to = LibRank(include.substr(std::string_view("favor/").size()));
  if (!from || !to) return "not a folder of lib/favor";
  if (*to > *from) return std::string(kLibFolders[*from]) + " may not include " + std::string(kLibFolders[*to]);
  return "";
}

std::string WhyNotInServer(std::string_view path, std::string_view include) {
  if (IsHighway(include) || IsEigen(include)) return "server sees no Highway and no Eigen";
  if (include.starts_with("client/")) return "server sees nothing of client";
  if (path.starts_with("server/execution/") && IsTransport(include)) {
    return "server/execution sees no gRPC, Protobuf or Prometheus";
  }
  return "";
}

std::string WhyNotInClient(std::string_view include) {
  if (include.starts_with("server/")) return "client sees nothing of server";
  if (IsHighway(include) || IsEigen(include)) return "client sees no Highway and no Eigen";
  if (IsLib(include) && !StartsWithAny(include, kLibForClient)) return "client sees only the file formats of lib";
  return "";
}

std::string WhyNot(const SourceFile& file, const SourceFile::Include& include) {
  const std::string_view path = file.path;
  // A path relative to the file would walk round every rule below.
  const bool relative = include.path.find('/') == std::string::npos || include.path.starts_with('.');
  if (include.quoted && relative && !IsGenerated(include.path)) {
    return "quoted includes start at the root";
  }
  if (!path.starts_with("tests/") && include.path.starts_with("tests/")) return "only tests see tests";
  if (path.starts_with("lib/favor/")) return WhyNotInLib(path, include.path);
  if (path.starts_with("server/")) return WhyNotInServer(path, include.path);
  if (path.starts_with("client/")) return WhyNotInClient(include.path);
  return "";
}

std::string ExpectedGuard(std::string_view path) {
  constexpr std::string_view kLib = "lib/favor/";
  if (path.starts_with(kLib)) path.remove_prefix(kLib.size());
  std::string guard = "FAVOR_";
  for (const char c : path) {
    guard += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::toupper(c)) : '_';
  }
  return guard + "_";
}

bool HasForbiddenWord(std::string_view path) {
  static const std::set<std::string, std::less<>> kForbidden = {"util",     "utils",  "common", "manager",
                                                                "managers", "helper", "helpers"};
  std::string word;
  for (const char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(c));
    } else {
      if (kForbidden.contains(word)) return true;
      word.clear();
    }
  }
  return kForbidden.contains(word);
}

}  // namespace

Violations CheckArrows(const SourceTree& tree) {
  Violations violations;
  for (const SourceFile& file : tree.files) {
    if (!IsCpp(file)) continue;
    for (const SourceFile::Include& include : file.includes) {
      if (const std::string why = WhyNot(file, include); !why.empty()) {
        violations.push_back(file.path + ":" + std::to_string(include.line) + " includes " + include.path + ": " + why);
      }
    }
  }
  return violations;
}

Violations CheckClientHeaders(const SourceTree& tree) {
  std::map<std::string_view, const SourceFile*> by_path;
  for (const SourceFile& file : tree.files) by_path[file.path] = &file;

  Violations violations;
  std::set<std::string_view> seen;
  std::vector<std::string_view> pending = {"client/client.h"};
  while (!pending.empty()) {
    const std::string_view path = pending.back();
    pending.pop_back();
    const auto it = by_path.find(path);
    if (it == by_path.end() || !seen.insert(path).second) continue;
    for (const SourceFile::Include& include : it->second->includes) {
      if (IsTransport(include.path)) {
        violations.push_back(it->second->path + ":" + std::to_string(include.line) + " includes " + include.path +
                             ": what client/client.h brings in is free of generated code and of gRPC");
      }
      pending.push_back(include.path);
    }
  }
  return violations;
}

Violations CheckFileLengths(const SourceTree& tree) {
  Violations violations;
  for (const SourceFile& file : tree.files) {
    if (file.lines.size() > kMaxLines) {
      violations.push_back(file.path + " has " + std::to_string(file.lines.size()) + " lines, the limit is " +
                           std::to_string(kMaxLines));
    }
  }
  return violations;
}

Violations CheckIncludeGuards(const SourceTree& tree) {
  Violations violations;
  for (const SourceFile& file : tree.files) {
    if (!file.path.ends_with(".h")) continue;
    const std::string guard = ExpectedGuard(file.path);
    const bool found = std::any_of(file.lines.begin(), file.lines.end(), [&guard](std::string_view line) {
      return line == "#define " + guard || line == "#  define " + guard;
    });
    if (!found) violations.push_back(file.path + " is not guarded by " + guard);
  }
  return violations;
}

Violations CheckNames(const SourceTree& tree) {
  Violations violations;
  for (const SourceFile& file : tree.files) {
    // Protocols of others are kept as they are published.
    if (file.path.starts_with("proto/opentelemetry/")) continue;
    if (HasForbiddenWord(file.path)) violations.push_back(file.path + " has a name that says nothing");
  }
  return violations;
}

Violations CheckEntries(const SourceTree& tree) {
  static const std::set<std::string> kAllowed = {"README.md",
                                                 "ARCHITECTURE.md",
                                                 "CONTRIBUTING.md",
                                                 "SECURITY.md",
                                                 "CHANGELOG.md",
                                                 "LICENSE",
                                                 "CMakeLists.txt",
                                                 "CMakePresets.json",
                                                 "Dockerfile",
                                                 "dev",
                                                 ".ci/",
                                                 "cmake/",
                                                 "proto/",
                                                 "lib/",
                                                 "server/",
                                                 "client/",
                                                 "deploy/",
                                                 "docs/",
                                                 "tests/",
                                                 ".clang-format",
                                                 ".clang-tidy",
                                                 ".gitignore",
                                                 ".dockerignore",
                                                 ".gitattributes"};
  Violations violations;
  for (const std::string& entry : tree.top_level_entries) {
    if (!kAllowed.contains(entry)) violations.push_back(entry + " has no place at the top level");
  }
  for (const SourceFile& file : tree.files) {
    constexpr std::string_view kLib = "lib/favor/";
    if (file.path.starts_with(kLib) && !LibRank(std::string_view(file.path).substr(kLib.size()))) {
      violations.push_back(file.path + " is in no folder of the library's order");
    }
  }
  return violations;
}

}  // namespace favor::layout
