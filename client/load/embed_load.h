#ifndef FAVOR_CLIENT_LOAD_EMBED_LOAD_H_
#define FAVOR_CLIENT_LOAD_EMBED_LOAD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "client/client.h"
#include "client/load/load_result.h"

namespace favor::load {

// How the lengths of generated texts are spread about their mean: not at all; evenly from 1 to twice the mean; or
// exponentially, as search queries and sentences are, with one long text among many short ones.
enum class LengthSpread { kConstant, kUniform, kExponential };

struct TextPlan {
  int64_t mean_words = 32;  // >= 1
  LengthSpread spread = LengthSpread::kConstant;
  int64_t num_texts = 1024;
  uint64_t seed = 0;
};

// Texts of common English words, so that a tokenizer finds most of them whole. The same plan gives the same texts.
std::vector<std::string> GenerateTexts(const TextPlan& plan);

// Embed calls on texts that follow one another, from the first again after the last.
class EmbedLoad {
 public:
  // Caller i uses client i modulo their number. Clients that retry hide failures and waits. There must be a text.
  EmbedLoad(std::vector<client::EmbedInput> inputs, int64_t inputs_per_call, const client::EmbedOptions& options,
            std::vector<client::Client> clients);

  // One call, and all that came back. A result without an embedding fails it.
  absl::StatusOr<client::Embeddings> Embed(int caller) const;
  // One call as RunLoad wants it. Thread-safe.
  CallOutcome Call(int caller) const;

 private:
  const std::vector<client::EmbedInput> inputs_;
  const int64_t inputs_per_call_;
  const client::EmbedOptions options_;
  const std::vector<client::Client> clients_;
  mutable std::atomic<uint64_t> next_{0};
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_EMBED_LOAD_H_
