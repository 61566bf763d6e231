#ifndef FAVOR_TESTS_SUPPORT_FAKE_MODEL_H_
#define FAVOR_TESTS_SUPPORT_FAKE_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "favor/model/encoder.h"
#include "favor/model/model.h"
#include "favor/tokenizer/tokenizer.h"

namespace favor::testing {

struct FakeEncoderOptions {
  int64_t dimensions = 8;
  int64_t vocabulary_size = 1000;
  int64_t max_tokens = 0;
  int64_t head_dim = 1;
  absl::Duration time_per_token;  // spent busy
  // Called by every job before its first token, with the number of tokens in it; its error ends the job.
  std::function<absl::Status(int64_t num_tokens)> on_run;
};

// Coordinate d of the vector that a FakeEncoder gives an id at a position: in [-1, 1], any two of them unrelated.
float FakeCoordinate(int32_t id, int64_t position, int64_t d);

// An encoder without layers: a token's vector depends on its id and its position in its sequence alone. One chain for
// each sequence.
class FakeEncoder : public Encoder {
 public:
  explicit FakeEncoder(FakeEncoderOptions options) : options_(std::move(options)) {}

  int64_t dimensions() const override { return options_.dimensions; }
  int64_t vocabulary_size() const override { return options_.vocabulary_size; }
  int64_t max_tokens() const override { return options_.max_tokens; }
  int64_t num_parameters() const override { return 12345; }
  int64_t memory_bytes() const override { return 4 * num_parameters(); }
  int64_t head_dim() const override { return options_.head_dim; }
  AttentionSpec attention() const override;
  // Takes kExact, and kFeatures with the softmax kernel.
  absl::Status CheckAttention(const AttentionSpec& spec) const override;
  absl::Status CheckSequence(absl::Span<const int32_t> ids) const override;
  absl::StatusOr<Job> Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                           const Cancellation* cancellation, float* vectors) const override;
  // 100 bytes a token and 1,000 a thread.
  int64_t ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                       int num_threads) const override;

 private:
  const FakeEncoderOptions options_;
};

// A token for each word of a text, between blanks; its id follows from the word, from 3 on. Prefix 1, suffix 2. A text
// with a byte 0xff is not UTF-8.
class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(int64_t vocabulary_size = 1000) : vocabulary_size_(vocabulary_size) {}

  int32_t IdOf(absl::string_view word) const;

  std::unique_ptr<Tokenization> Begin(absl::string_view text, int64_t step_bytes) const override;
  const std::vector<int32_t>& prefix() const override { return prefix_; }
  const std::vector<int32_t>& suffix() const override { return suffix_; }
  int64_t vocabulary_size() const override { return vocabulary_size_; }
  std::string Piece(int32_t id) const override;
  int64_t num_bytes() const override { return 0; }

 private:
  const int64_t vocabulary_size_;
  const std::vector<int32_t> prefix_ = {1};
  const std::vector<int32_t> suffix_ = {2};
};

// A model of a FakeEncoder and a FakeTokenizer, its window that of the encoder.
std::shared_ptr<Model> FakeModel(FakeEncoderOptions options = {});

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_FAKE_MODEL_H_
