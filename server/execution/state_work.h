#ifndef FAVOR_SERVER_EXECUTION_STATE_WORK_H_
#define FAVOR_SERVER_EXECUTION_STATE_WORK_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/state_codec.h"
#include "favor/base/aligned_buffer.h"
#include "server/execution/attend_work.h"

namespace favor {

// A state as it came: everything but its payload is typed and checked.
struct EncodedState : SpecWork {
  std::string name;  // path of the field, for errors
  StateHeader header;
  AlignedBuffer<std::byte> bytes;  // the payload

  const StateSizes& sizes() const { return header.description.sizes; }
  absl::string_view payload() const {
    return {reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(bytes.size())};
  }
};

// One Fold call, checked and typed.
struct FoldWork : SpecWork {
  OwnedTensor keys;                  // [batch, key_heads, key_length, head_dim]
  OwnedTensor values;                // [batch, key_heads, key_length, value_dim]
  std::vector<int64_t> key_lengths;  // [batch] or empty
  std::optional<EncodedState> state;
  StateEncoding encoding = StateEncoding::kFloat32Compensated;
};

// One Merge call.
struct MergeWork {
  std::vector<EncodedState> states;  // at least one
  StateEncoding encoding = StateEncoding::kFloat32Compensated;
};

// One Read call.
struct ReadWork {
  OwnedTensor queries;  // [batch, heads, query_length, head_dim]
  EncodedState state;
  DataType output_type = DataType::kFloat32;
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_STATE_WORK_H_
