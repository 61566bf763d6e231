#include "client/cli/tensor_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/format/npy.h"
#include "favor/format/safetensors.h"

namespace favor::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TensorFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / absl::StrCat("favor_tensor_files_", getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }

  template <typename T>
  static StoredTensor Stored(const std::string& name, const std::string& dtype, std::vector<int64_t> shape,
                             const std::vector<T>& values) {
    return {.name = name,
            .dtype = dtype,
            .shape = std::move(shape),
            .data = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T))};
  }

  std::filesystem::path folder_;
  const std::vector<float> floats_ = {1, 2, 3, 4, 5, 6};
  const std::vector<double> doubles_ = {1, 2, 3, 4, 5, 6};
};

TEST_F(TensorFiles, NpyFilesOfFewerAxesArePromoted) {
  ASSERT_TRUE(WriteNpy(Path("q.npy"), Stored("", "F32", {3, 2}, floats_)).ok());
  ASSERT_TRUE(WriteNpy(Path("k.npy"), Stored("", "F32", {1, 3, 2}, floats_)).ok());
  ASSERT_TRUE(WriteNpy(Path("v.npy"), Stored("", "F32", {1, 1, 3, 2}, floats_)).ok());
  const absl::StatusOr<LoadedInputs> inputs =
      LoadInputs({Path("q.npy"), Path("k.npy"), Path("v.npy"), "", ""}, client::Layout::kUnspecified);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  for (const client::TensorView& tensor : {inputs->tensors.queries, inputs->tensors.keys, inputs->tensors.values}) {
    EXPECT_THAT(tensor.shape, ElementsAre(1, 1, 3, 2));
    EXPECT_EQ(client::ToFloat32(tensor), floats_);
  }
  EXPECT_EQ(inputs->queries_rank, 2u);
  EXPECT_TRUE(inputs->notes.empty());
}

TEST_F(TensorFiles, DoublesAreConvertedAndSoSaid) {
  const std::string path = Path("in.safetensors");
  ASSERT_TRUE(WriteSafetensors(path, {Stored("queries", "F64", {3, 2}, doubles_),
                                      Stored("keys", "F32", {3, 2}, floats_), Stored("values", "F32", {3, 2}, floats_),
                                      Stored("projection_matrix", "F64", {3, 2}, doubles_)})
                  .ok());
  const absl::StatusOr<LoadedInputs> inputs = LoadInputs({.combined = path}, client::Layout::kUnspecified);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_EQ(inputs->tensors.queries.type, DataType::kFloat32);
  EXPECT_EQ(client::ToFloat32(inputs->tensors.queries), floats_);
  EXPECT_EQ(client::ToFloat32(*inputs->projection_matrix), floats_);
  EXPECT_THAT(inputs->projection_matrix->shape, ElementsAre(3, 2));
  EXPECT_THAT(inputs->notes,
              ElementsAre("queries was converted from F64 to F32", "projection_matrix was converted from F64 to F32"));
}

TEST_F(TensorFiles, AMissingTensorIsNamed) {
  const std::string path = Path("in.safetensors");
  ASSERT_TRUE(WriteSafetensors(path, {Stored("queries", "F32", {3, 2}, floats_)}).ok());
  EXPECT_THAT(std::string(LoadInputs({.combined = path}, client::Layout::kUnspecified).status().message()),
              HasSubstr("in.safetensors has no tensor called keys"));
}

TEST_F(TensorFiles, ATypeNoServerTakesIsNamed) {
  const std::string path = Path("in.safetensors");
  const std::vector<int64_t> integers = {1, 2};
  ASSERT_TRUE(WriteSafetensors(path, {Stored("queries", "I64", {1, 2}, integers)}).ok());
  const absl::Status status = LoadInputs({.combined = path}, client::Layout::kUnspecified).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("queries"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("I64"));
}

TEST_F(TensorFiles, OutputComesBackFromBothFormats) {
  auto data = std::make_unique<std::byte[]>(8);
  const uint16_t bfloat16[] = {0x3f80, 0x4000, 0x4040, 0x4080};  // 1 2 3 4
  std::memcpy(data.get(), bfloat16, 8);
  const client::Tensor output(DataType::kBFloat16, {1, 1, 2, 2}, std::move(data), 8);

  ASSERT_TRUE(SaveOutput(Path("out.safetensors"), output, {2, 2}, {{"projection_id", "abc"}}).ok());
  const auto safetensors = SafetensorsFile::Open(Path("out.safetensors"));
  ASSERT_TRUE(safetensors.ok()) << safetensors.status();
  EXPECT_EQ(safetensors->Find("output")->dtype, "BF16");
  EXPECT_THAT(safetensors->Find("output")->shape, ElementsAre(2, 2));
  EXPECT_EQ(safetensors->contents().metadata.at("projection_id"), "abc");

  ASSERT_TRUE(SaveOutput(Path("out.npy"), output, {2, 2}, {}).ok());
  const auto npy = NpyFile::Open(Path("out.npy"));
  ASSERT_TRUE(npy.ok()) << npy.status();
  EXPECT_EQ(npy->tensor().dtype, "F32");
  EXPECT_THAT(npy->tensor().shape, ElementsAre(2, 2));
  EXPECT_THAT(client::ToFloat32({.type = DataType::kFloat32, .shape = {2, 2}, .bytes = npy->tensor().data}),
              ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace favor::cli
