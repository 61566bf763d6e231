#ifndef FAVOR_SERVER_SERVICES_EMBED_MEMORY_H_
#define FAVOR_SERVER_SERVICES_EMBED_MEMORY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "favor/model/embedder.h"

// What embedding takes beside messages, tokens and vectors, for admission.
namespace favor {

// For every byte of an input that is read: its text twice, its tokens in a vector that grows, their ids.
constexpr int64_t kPassingBytesPerByte = 96;
// What is kept of an input besides its ids: itself, its error, its place in the lists of the batcher.
constexpr int64_t kBytesPerInput = 512;
constexpr int64_t kBytesPerError = 1024;
// Of an answer, that are made in one step.
constexpr int64_t kPartBytes = 256 << 10;

// What is kept of an input beside kBytesPerInput: its ids, or what is wrong with it.
inline int64_t HeldBytes(const absl::StatusOr<EmbedInput>& input) {
  if (!input.ok()) return kBytesPerError;
  return input->num_computed_tokens() * static_cast<int64_t>(sizeof(int32_t)) +
         static_cast<int64_t>(input->windows.size() * (sizeof(input->windows[0]) + sizeof(int64_t)));
}

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_EMBED_MEMORY_H_
