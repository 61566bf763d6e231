#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_LONG_SEQUENCES_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_LONG_SEQUENCES_H_

#include <cstring>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "favor/format/npy.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {

inline constexpr int64_t kLength = 600;

struct FavorRun {
  int exit_code = -1;
  std::string out, error;
};

// Runs the command in this process, `input` on its standard input.
inline FavorRun RunHere(const std::vector<std::string>& arguments, const std::string& input = "") {
  std::ostringstream out, error;
  std::istringstream in(input);
  const int exit_code = cli::RunFavor(arguments, {out, error, false, in});
  return {exit_code, out.str(), error.str()};
}

inline StoredTensor Stored(const std::vector<float>& floats, std::vector<int64_t> shape) {
  StoredTensor stored;
  stored.dtype = "F32";
  stored.shape = std::move(shape);
  stored.data = {reinterpret_cast<const std::byte*>(floats.data()), floats.size() * sizeof(float)};
  return stored;
}

// Three servers, and a sequence in files for the commands `favor stream` and `favor shard`.
class LongSequences : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (int i = 0; i < 3; ++i) favords_.push_back(new Favord({.flags = {"--threads", "1"}}));
  }
  static void TearDownTestSuite() {
    for (Favord* favord : favords_) delete favord;
    favords_.clear();
  }

  LongSequences() : case_(GaussianCase({}, {1, 4, 2, kLength, kLength, 16, 24}, nullptr, 5)) {
    WriteTensor("q.npy", case_.queries);
    WriteTensor("k.npy", case_.keys);
    WriteTensor("v.npy", case_.values);
  }

  void WriteTensor(const std::string& name, const DoubleTensor& tensor) const {
    const std::vector<float> floats(tensor.values.begin(), tensor.values.end());
    const Shape& shape = tensor.shape;
    ASSERT_TRUE(
        WriteNpy(dir_.File(name), Stored(floats, {shape.batch_size, shape.num_heads, shape.length, shape.dim})).ok());
  }
  // Rows [begin, begin + count) of the three, as other files.
  std::vector<std::string> Part(int64_t begin, int64_t count) const {
    WriteTensor("pq.npy", RowsOf(case_.queries, begin, count));
    WriteTensor("pk.npy", RowsOf(case_.keys, begin, count));
    WriteTensor("pv.npy", RowsOf(case_.values, begin, count));
    return {"--queries", dir_.File("pq.npy"), "--keys", dir_.File("pk.npy"), "--values", dir_.File("pv.npy")};
  }
  std::vector<std::string> Files() const {
    return {"--queries", dir_.File("q.npy"), "--keys", dir_.File("k.npy"), "--values", dir_.File("v.npy")};
  }

  static std::string Address(size_t i) { return favords_[i]->address(); }
  static std::string AllAddresses() { return absl::StrCat(Address(0), ",", Address(1), ",", Address(2)); }

  // A command on files, a server or a list of them, and whatever else.
  FavorRun Run(const std::string& command, std::vector<std::string> inputs, const std::vector<std::string>& flags,
               const std::string& address = Address(0), const std::string& piped = "") const {
    std::vector<std::string> arguments = {command, command == "attend" ? "--endpoint" : "--address", address};
    arguments.insert(arguments.end(), inputs.begin(), inputs.end());
    arguments.insert(arguments.end(), {"--num-features", "40", "--seed", "3", "--json"});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return RunHere(arguments, piped);
  }

  // What a file holds, in float32.
  std::vector<float> Floats(const std::string& name) const {
    const auto file = NpyFile::Open(dir_.File(name));
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) return {};
    const auto floats = ToFloat32(file->tensor());
    EXPECT_TRUE(floats.ok());
    return {floats->span().begin(), floats->span().end()};
  }
  DoubleTensor Output(const std::string& name) const {
    DoubleTensor tensor({1, 4, kLength, 24});
    const std::vector<float> floats = Floats(name);
    EXPECT_EQ(floats.size(), tensor.values.size());
    if (floats.size() == tensor.values.size()) tensor.values.assign(floats.begin(), floats.end());
    return tensor;
  }

  // Token by token, as a pipe brings them.
  std::string Piped() const {
    std::string bytes;
    for (int64_t i = 0; i < kLength; ++i) {
      for (const DoubleTensor* tensor : {&case_.queries, &case_.keys, &case_.values}) {
        for (int64_t head = 0; head < tensor->shape.num_heads; ++head) {
          for (const double value : tensor->Row(0, head, i)) {
            const float f = static_cast<float>(value);
            bytes.append(reinterpret_cast<const char*>(&f), sizeof(f));
          }
        }
      }
    }
    return bytes;
  }

  static inline std::vector<Favord*> favords_;
  const TempDir dir_;
  const AttentionCase case_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_LONG_SEQUENCES_H_
