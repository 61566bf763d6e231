#ifndef FAVOR_TESTS_BENCHMARKS_ATTENTION_CALL_H_
#define FAVOR_TESTS_BENCHMARKS_ATTENTION_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"

namespace favor {

// Every figure is for this shape, the one most published ones use.
constexpr int64_t kHeadDim = 64;
constexpr int64_t kNumFeatures = 256;

// What a variant may turn.
struct CallSetup {
  AttentionSpec attention;
  ProjectionSpec projection;
  DataType data_type = DataType::kFloat32;  // of queries, keys, values and output
};

// One way to compute attention that is measured, by the name that benchmarks, charts and tables know it by.
struct Variant {
  absl::string_view name;
  void (*set_up)(CallSetup*);
  bool for_checks = false;  // compared with other implementations, not measured
};

// All variants. A new one is a line in attention_call.cc, and is measured at every length and number of threads.
absl::Span<const Variant> Variants();
const Variant* FindVariant(absl::string_view name);  // null when there is none
CallSetup SetUp(const Variant& variant);

// Queries, keys and values N(0, 1), [1, num_heads, length, kHeadDim], and room for the output.
struct RandomTensors {
  RandomTensors(DataType data_type, int64_t num_heads, int64_t length);

  DataType type;
  Shape shape;
  std::vector<std::byte> queries, keys, values, output;
};

// One attention call on given tensors, ready to run again and again. Does not own the tensors.
class AttentionCall {
 public:
  // num_threads 0 runs on the calling thread, without a pool. `projection` may be null: the variant's own is drawn.
  // Ends the process when the variant cannot be had: a benchmark has no use for half a table.
  AttentionCall(const Variant& variant, const Shape& shape, int num_threads, const std::byte* queries,
                const std::byte* keys, const std::byte* values, std::byte* output,
                std::shared_ptr<const Projection> projection = nullptr);
  AttentionCall(const Variant& variant, RandomTensors* tensors, int num_threads)
      : AttentionCall(variant, tensors->shape, num_threads, tensors->queries.data(), tensors->keys.data(),
                      tensors->values.data(), tensors->output.data()) {}

  absl::Status Run();

  // Nominal: 2m(2d + 2e) per token and head with features, causal or not; 2L(d + e) per query and head for exact; exps
  // are free.
  double flops() const;

 private:
  CallSetup setup_;
  Shape shape_;
  AttentionInputs inputs_;
  MutableTensorView output_;
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_ATTENTION_CALL_H_
