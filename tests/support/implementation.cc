#include "tests/support/implementation.h"

#include <memory>
#include <vector>

#include "favor/base/thread_pool.h"
#include "tests/support/oracle/attention.h"
#include "tests/support/strided_tensor.h"

namespace favor::testing {
namespace {

using RunJob = std::function<absl::Status(Job)>;

absl::StatusOr<AttentionResult> RunLibrary(const AttentionSpec& spec, const AttentionInputs& inputs,
                                           const RunJob& run_job) {
  const Shape shape = {inputs.queries.shape.batch_size, inputs.queries.shape.num_heads, inputs.queries.shape.length,
                       inputs.values.shape.dim};
  StridedTensor output(shape, DataType::kFloat32, BatchHeadsLengthDim(shape));
  AttentionResult result;
  absl::StatusOr<Job> job = PlanAttention(spec, inputs, output.mutable_view(), nullptr, &result.report);
  if (!job.ok()) return job.status();
  if (absl::Status status = run_job(*std::move(job)); !status.ok()) return status;
  if (!output.GuardsIntact()) return absl::InternalError("attention wrote outside its output");
  result.output = Decode(output.view());
  return result;
}

}  // namespace

AttentionImplementation LibraryAttention() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) {
    return RunLibrary(spec, inputs, [](const Job& job) { return RunInline(job); });
  };
}

AttentionImplementation LibraryAttentionOnPool(int num_threads) {
  auto pool = std::make_shared<ThreadPool>(num_threads);
  return [pool](const AttentionSpec& spec, const AttentionInputs& inputs) {
    return RunLibrary(spec, inputs, [&](Job job) { return pool->Run(std::move(job)); });
  };
}

AttentionImplementation OracleAttention() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    OracleOutput oracle = OracleAttend(spec, inputs);
    AttentionResult result;
    result.output = std::move(oracle.output);
    result.report.degenerate_rows = oracle.degenerate_rows;
    return result;
  };
}

absl::StatusOr<AttentionResult> Compute(const AttentionImplementation& implementation,
                                        const AttentionCase& attention_case) {
  const auto to_float = [](const DoubleTensor& tensor) {
    return std::vector<float>(tensor.values.begin(), tensor.values.end());
  };
  const std::vector<float> queries = to_float(attention_case.queries);
  const std::vector<float> keys = to_float(attention_case.keys);
  const std::vector<float> values = to_float(attention_case.values);
  AttentionInputs inputs;
  inputs.queries = DenseView(queries.data(), attention_case.queries.shape);
  inputs.keys = DenseView(keys.data(), attention_case.keys.shape);
  inputs.values = DenseView(values.data(), attention_case.values.shape);
  inputs.query_lengths = attention_case.query_lengths;
  inputs.key_lengths = attention_case.key_lengths;
  inputs.projection = attention_case.projection;
  return implementation(attention_case.spec, inputs);
}

}  // namespace favor::testing
