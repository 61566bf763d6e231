#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/console.h"
#include "client/cli/json.h"
#include "favor/format/npy.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeServer;
using favor::testing::FavorRun;

// Runs `favor calibrate` against a server whose statistics are the first key of each head and the scale.
class CalibrateCommand : public ::testing::Test {
 protected:
  CalibrateCommand()
      : folder_(std::filesystem::path(::testing::TempDir()) / absl::StrCat("favor_calibrate_", getpid())) {
    std::filesystem::create_directories(folder_);
    // Two heads of three keys, or two keys of three heads.
    StoredTensor stored;
    stored.dtype = "F32";
    stored.shape = {2, 3, 1};
    stored.data = {reinterpret_cast<const std::byte*>(numbers_), sizeof(numbers_)};
    EXPECT_TRUE(WriteNpy(tensor(), stored).ok());
  }
  ~CalibrateCommand() override { std::filesystem::remove_all(folder_); }

  std::string tensor() const { return folder_ / "tensor.npy"; }
  Json Heads(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"calibrate", "--endpoint=" + server_.endpoint(), "--queries", tensor(), "--keys",
                                 tensor(), "--precondition"});
    const FavorRun run = favor::testing::RunFavor(flags, "");
    EXPECT_EQ(run.exit_code, kExitOk) << run.error;
    return Json::parse(run.out)["heads"];
  }

  const float numbers_[6] = {1, 2, 3, 4, 5, 6};
  const std::filesystem::path folder_;
  FakeServer server_;
};

TEST_F(CalibrateCommand, AsksForWhatItsFlagsSay) {
  const Json heads = Heads({"--scale", "0.5"});
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0]["key_shift"], Json({1.0}));
  EXPECT_EQ(heads[1]["key_shift"], Json({4.0}));
  EXPECT_EQ(heads[1]["proposal"], Json({0.5}));
  const Json turned = Heads({"--layout", "batch_length_heads_dim"});
  ASSERT_EQ(turned.size(), 3u);
  EXPECT_EQ(turned[2]["key_shift"], Json({3.0}));
}

}  // namespace
}  // namespace favor::cli
