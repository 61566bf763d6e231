#ifndef FAVOR_TESTS_SUPPORT_STREAMED_ATTENTION_H_
#define FAVOR_TESTS_SUPPORT_STREAMED_ATTENTION_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "favor/attention/attention_state.h"
#include "favor/base/thread_pool.h"
#include "tests/support/implementation.h"

namespace favor::testing {

// How a call is cut to pieces.
struct Cuts {
  uint64_t seed = 1;
  // Pieces have a random length from 0 to this.
  int64_t max_length = 40;
  // Bidirectional: every piece of the keys goes to one of so many states, which are merged in a random order.
  int64_t num_shards = 1;
  // Done to a state between two pieces; may be empty.
  std::function<absl::Status(AttentionState*)> between = {};
  // Where jobs run; null: on the calling thread.
  ThreadPool* pool = nullptr;
};

// Attention by pieces, as an implementation that the laws can be asked of.
AttentionImplementation StreamedAttention(Cuts cuts);

// Rows [begin, begin + count) of a view.
TensorView SliceRows(TensorView view, int64_t begin, int64_t count);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_STREAMED_ATTENTION_H_
