#ifndef FAVOR_SERVER_EXECUTION_EMBED_SIZE_H_
#define FAVOR_SERVER_EXECUTION_EMBED_SIZE_H_

#include <cstdint>

#include "server/execution/embed_work.h"
#include "server/execution/forecast.h"

namespace favor {

// How much there is to do for so many tokens of a call, beside what a batch takes whatever is in it: nominal operations
// are tokens, and how long one takes is the affair of the model, its attention and the length of the longest window.
JobSize EmbedSize(const EmbedWork& work, int64_t num_tokens, int64_t longest_window);

// The same of what is a batch by itself, which reads all weights for however few tokens.
JobSize EmbedBatchSize(const EmbedWork& work, int64_t num_tokens, int64_t longest_window);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_EMBED_SIZE_H_
