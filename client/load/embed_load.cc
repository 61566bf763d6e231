#include "client/load/embed_load.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/string_view.h"

namespace favor::load {
namespace {

constexpr absl::string_view kWords[] = {
    "the",   "of",    "and",   "to",     "in",    "that",   "was",   "for",    "with",  "house", "water", "river",
    "light", "stone", "paper", "garden", "music", "market", "north", "winter", "green", "small", "early", "great",
    "young", "open",  "first", "common", "write", "carry",  "build", "follow", "learn", "begin", "reach", "answer"};

int64_t NumWords(const TextPlan& plan, std::mt19937_64* random) {
  switch (plan.spread) {
    case LengthSpread::kConstant:
      break;
    case LengthSpread::kUniform:
      return std::uniform_int_distribution<int64_t>(1, std::max<int64_t>(1, 2 * plan.mean_words - 1))(*random);
    case LengthSpread::kExponential: {
      // No text is empty, so the mean of what lies above one word is one less.
      if (plan.mean_words <= 1) break;
      std::exponential_distribution<double> words(1.0 / static_cast<double>(plan.mean_words - 1));
      return 1 + std::llround(words(*random));
    }
  }
  return plan.mean_words;
}

}  // namespace

std::vector<std::string> GenerateTexts(const TextPlan& plan) {
  std::mt19937_64 random(plan.seed);
  std::uniform_int_distribution<size_t> word(0, std::size(kWords) - 1);
  std::vector<std::string> texts(plan.num_texts);
  for (std::string& text : texts) {
    const int64_t num_words = NumWords(plan, &random);
    for (int64_t i = 0; i < num_words; ++i) {
      if (i > 0) text += ' ';
      const absl::string_view next = kWords[word(random)];
      text.append(next.data(), next.size());
    }
  }
  return texts;
}

EmbedLoad::EmbedLoad(std::vector<client::EmbedInput> inputs, int64_t inputs_per_call,
                     const client::EmbedOptions& options, std::vector<client::Client> clients)
    : inputs_(std::move(inputs)), inputs_per_call_(inputs_per_call), options_(options), clients_(std::move(clients)) {}

absl::StatusOr<client::Embeddings> EmbedLoad::Embed(int caller) const {
  const uint64_t first = next_.fetch_add(static_cast<uint64_t>(inputs_per_call_));
  std::vector<client::EmbedInput> inputs;
  for (int64_t i = 0; i < inputs_per_call_; ++i) inputs.push_back(inputs_[(first + i) % inputs_.size()]);
  absl::StatusOr<client::Embeddings> answer = clients_[caller % clients_.size()].Embed(inputs, options_);
  if (!answer.ok()) return answer;
  for (const client::EmbedResult& result : answer->results) {
    if (!result.status.ok()) return result.status;
  }
  return answer;
}

CallOutcome EmbedLoad::Call(int caller) const {
  const absl::StatusOr<client::Embeddings> answer = Embed(caller);
  if (!answer.ok()) return {answer.status()};
  return {.status = absl::OkStatus(),
          .queue_time = answer->report.queue_time,
          .compute_time = answer->report.compute_time,
          .request_bytes = answer->request_bytes,
          .response_bytes = answer->response_bytes,
          .num_tokens = answer->report.num_tokens};
}

}  // namespace favor::load
