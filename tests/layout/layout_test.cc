// Holds the repository to its own layout, and the rules to trees with planted faults: a rule that cannot fail is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/layout/layout_rules.h"
#include "tests/layout/source_tree.h"

namespace favor::layout {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SourceTree& Repository() {
  static const auto* const tree = new SourceTree(ReadSourceTree(FAVOR_SOURCE_DIR));
  return *tree;
}

TEST(Repository, IsRead) { EXPECT_GT(Repository().files.size(), 50u); }
TEST(Repository, IncludesFollowTheArrows) { EXPECT_THAT(CheckArrows(Repository()), IsEmpty()); }
TEST(Repository, ClientHeaderNeedsNoGeneratedCode) { EXPECT_THAT(CheckClientHeaders(Repository()), IsEmpty()); }
TEST(Repository, FilesAreShort) { EXPECT_THAT(CheckFileLengths(Repository()), IsEmpty()); }
TEST(Repository, HeadersAreGuarded) { EXPECT_THAT(CheckIncludeGuards(Repository()), IsEmpty()); }
TEST(Repository, NamesSaySomething) { EXPECT_THAT(CheckNames(Repository()), IsEmpty()); }
TEST(Repository, FoldersAreThoseOfTheArchitecture) { EXPECT_THAT(CheckEntries(Repository()), IsEmpty()); }

// A small repository on disk.
class LayoutRules : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / ("favor_layout_" + std::to_string(getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  SourceTree Tree() const { return ReadSourceTree(root_); }

  void ExpectForbidden(const std::string& path, const std::string& include) {
    Write(path, "// A comment.\n" + include + "\n");
    EXPECT_THAT(CheckArrows(Tree()), ElementsAre(HasSubstr(path + ":2 includes "))) << include;
    fs::remove(root_ / path);
  }

  void ExpectAllowed(const std::string& path, const std::string& include) {
    Write(path, include + "\n");
    EXPECT_THAT(CheckArrows(Tree()), IsEmpty());
    fs::remove(root_ / path);
  }

 private:
  fs::path root_;
};

TEST_F(LayoutRules, LibFoldersIncludeOnlyThoseBelow) {
  ExpectAllowed("lib/favor/attention/a.cc", R"(#include "favor/base/job.h")");
  ExpectAllowed("lib/favor/attention/a.cc", R"(#include "favor/attention/b.h")");
  ExpectForbidden("lib/favor/base/a.cc", R"(#include "favor/tensor/tensor_view.h")");
  ExpectForbidden("lib/favor/kernels/a-inl.h", R"(  #  include "favor/projection/projection.h")");
  ExpectForbidden("lib/favor/format/a.cc", R"(#include "favor/unknown/a.h")");
}

TEST_F(LayoutRules, LibSeesNoTransport) {
  ExpectForbidden("lib/favor/base/a.cc", "#include <grpcpp/grpcpp.h>");
  ExpectForbidden("lib/favor/base/a.cc", "#include <google/protobuf/message.h>");
  ExpectForbidden("lib/favor/base/a.cc", "#include <prometheus/counter.h>");
  ExpectForbidden("lib/favor/base/a.cc", R"(#include "favor/v1/tensor.pb.h")");
  ExpectForbidden("lib/favor/base/a.cc", R"(#include "server/config/config.h")");
}

TEST_F(LayoutRules, OnlyKernelsIncludeHighway) {
  ExpectAllowed("lib/favor/kernels/a.cc", "#include <hwy/highway.h>");
  ExpectForbidden("lib/favor/attention/a.cc", "#include <hwy/highway.h>");
  ExpectForbidden("server/a.cc", R"(#include "hwy/highway.h")");
}

TEST_F(LayoutRules, EigenStaysInTheLibraryAndOutOfTheKernels) {
  ExpectAllowed("lib/favor/projection/a.cc", "#include <Eigen/QR>");
  ExpectForbidden("lib/favor/kernels/a.cc", "#include <Eigen/Core>");
  ExpectForbidden("server/convert/a.cc", "#include <Eigen/Core>");
}

TEST_F(LayoutRules, ExecutionSeesNoTransport) {
  ExpectAllowed("server/rpc/a.cc", "#include <grpcpp/grpcpp.h>");
  ExpectForbidden("server/execution/a.cc", "#include <grpcpp/grpcpp.h>");
  ExpectForbidden("server/execution/a.cc", R"(#include "favor/v1/attention.pb.h")");
}

TEST_F(LayoutRules, ClientSeesOnlyTheFileFormats) {
  ExpectAllowed("client/a.cc", R"(#include "favor/format/npy.h")");
  ExpectAllowed("client/a.cc", R"(#include "favor/v1/attention.grpc.pb.h")");
  ExpectForbidden("client/a.cc", R"(#include "favor/attention/attention.h")");
  ExpectForbidden("client/cli/a.cc", R"(#include "server/config/config.h")");
  ExpectForbidden("server/a.cc", R"(#include "client/client.h")");
}

TEST_F(LayoutRules, IncludesStartAtTheRoot) {
  ExpectForbidden("lib/favor/base/a.cc", R"(#include "job.h")");
  ExpectForbidden("client/a.cc", R"(#include "../server/config/config.h")");
  ExpectForbidden("server/a.cc", R"(#include "tests/support/a.h")");
}

TEST_F(LayoutRules, GeneratedCodeBehindTheClientHeaderIsFound) {
  Write("client/client.h", "#include \"client/options.h\"\n");
  Write("client/convert.h", "#include \"favor/v1/tensor.pb.h\"\n");
  Write("client/options.h", "#include <string>\n");
  EXPECT_THAT(CheckClientHeaders(Tree()), IsEmpty());
  Write("client/options.h", "#include \"client/convert.h\"\n");
  EXPECT_THAT(CheckClientHeaders(Tree()), ElementsAre(HasSubstr("client/convert.h:1")));
}

TEST_F(LayoutRules, ALongFileIsFound) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "\n";
  Write("server/a.cc", text);
  EXPECT_THAT(CheckFileLengths(Tree()), IsEmpty());
  Write("server/a.cc", text + "\n");
  EXPECT_THAT(CheckFileLengths(Tree()), ElementsAre(HasSubstr("501")));
}

TEST_F(LayoutRules, AWrongGuardIsFound) {
  Write("lib/favor/base/a_b.h", "#ifndef FAVOR_BASE_A_B_H_\n#define FAVOR_BASE_A_B_H_\n#endif\n");
  Write("tests/support/c.h", "#define FAVOR_TESTS_SUPPORT_C_H_\n");
  EXPECT_THAT(CheckIncludeGuards(Tree()), IsEmpty());
  Write("server/rpc/d.h", "#define FAVOR_RPC_D_H_\n");
  Write("client/e.h", "#pragma once\n");
  EXPECT_THAT(CheckIncludeGuards(Tree()),
              ElementsAre(HasSubstr("FAVOR_CLIENT_E_H_"), HasSubstr("FAVOR_SERVER_RPC_D_H_")));
}

TEST_F(LayoutRules, AnEmptyNameIsFound) {
  Write("server/commonwealth.cc", "");
  EXPECT_THAT(CheckNames(Tree()), IsEmpty());
  Write("server/string_utils.cc", "");
  Write("server/helper/a.cc", "");
  EXPECT_EQ(CheckNames(Tree()).size(), 2u);
}

TEST_F(LayoutRules, AStrayEntryIsFound) {
  Write(".gitignore", "/build/\n");
  Write("build/anything.cc", "");
  Write("lib/favor/base/a.cc", "");
  EXPECT_THAT(CheckEntries(Tree()), IsEmpty());
  Write("scripts/a.sh", "");
  Write("lib/favor/misc/a.cc", "");
  EXPECT_THAT(CheckEntries(Tree()), ElementsAre(HasSubstr("scripts/"), HasSubstr("lib/favor/misc/a.cc")));
}

}  // namespace
}  // namespace favor::layout
