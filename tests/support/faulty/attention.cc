#include "tests/support/faulty/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/oracle/attention.h"
#include "tests/support/oracle/performer_reference.h"

namespace favor::testing {
namespace {

AttentionResult Oracle(const AttentionSpec& spec, const AttentionInputs& inputs) {
  OracleOutput oracle = OracleAttend(spec, inputs);
  return {std::move(oracle.output), {.degenerate_rows = oracle.degenerate_rows}};
}

AttentionCase CaseOf(const AttentionSpec& spec, const AttentionInputs& inputs) {
  AttentionCase attention_case;
  attention_case.spec = spec;
  attention_case.queries = Decode(inputs.queries);
  attention_case.keys = Decode(inputs.keys);
  attention_case.values = Decode(inputs.values);
  attention_case.query_lengths.assign(inputs.query_lengths.begin(), inputs.query_lengths.end());
  attention_case.key_lengths.assign(inputs.key_lengths.begin(), inputs.key_lengths.end());
  attention_case.projection = inputs.projection;
  return attention_case;
}

// Writes `part` over the rows of `whole` from (batch, head, position) on.
void Paste(const DoubleTensor& part, int64_t batch, int64_t head, int64_t position, DoubleTensor& whole) {
  for (int64_t b = 0; b < part.shape.batch_size; ++b) {
    for (int64_t h = 0; h < part.shape.num_heads; ++h) {
      for (int64_t i = 0; i < part.shape.length; ++i) {
        std::ranges::copy(part.Row(b, h, i), whole.Row(batch + b, head + h, position + i).begin());
      }
    }
  }
}

// One head of causal FAVOR+; see AttentionWithOneMaximumPerBlock.
class BlockedFloatHead {
 public:
  BlockedFloatHead(const OracleOutput&, const DoubleTensor& queries, const DoubleTensor& keys,
                   const DoubleTensor& values, const Projection& projection, double scale)
      : queries_(queries), keys_(keys), values_(values), projection_(projection), scale_(scale) {}

 private:
  const DoubleTensor& queries_;
  const DoubleTensor& keys_;
  const DoubleTensor& values_;
  const Projection& projection_;
  double scale_;
};

}  // namespace
}  // namespace favor::testing
