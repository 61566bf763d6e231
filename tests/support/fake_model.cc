#include "tests/support/fake_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace favor::testing {
namespace {

// splitmix64's finaliser.
uint64_t Mix(uint64_t bits) {
  bits += 0x9e3779b97f4a7c15;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

void StayBusy(absl::Duration duration) {
  if (duration <= absl::ZeroDuration()) return;
  const absl::Time end = absl::Now() + duration;
  while (absl::Now() < end) {
  }
}

}  // namespace

float FakeCoordinate(int32_t id, int64_t position, int64_t d) {
  const uint64_t bits = Mix(Mix(Mix(static_cast<uint64_t>(id)) + position) + d);
  return static_cast<float>(bits >> 40) * 0x1p-23f - 1;
}

AttentionSpec FakeEncoder::attention() const {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  return spec;
}

absl::Status FakeEncoder::CheckAttention(const AttentionSpec& spec) const {
  if (spec.mode == AttentionMode::kExact || spec.features.kernel == Kernel::kSoftmax) return absl::OkStatus();
  return absl::InvalidArgumentError("the kernel is not softmax");
}

absl::Status FakeEncoder::CheckSequence(absl::Span<const int32_t> ids) const {
  if (ids.empty()) return absl::InvalidArgumentError("the sequence has no tokens");
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < options_.vocabulary_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token ", i, " is ", ids[i], ", must be 0 to ", options_.vocabulary_size - 1));
  }
  return absl::OkStatus();
}

absl::StatusOr<Job> FakeEncoder::Plan(const PackedSequences& sequences, const EncoderAttention*,
                                      const Cancellation* cancellation, float* vectors) const {
  Job job;
  if (options_.on_run) {
    job.phases.push_back({1, 1, [run = options_.on_run, num_tokens = sequences.num_tokens()](int64_t, int64_t) {
                            return run(num_tokens);
                          }});
  }
  job.phases.push_back(
      {sequences.num_sequences(), 1, [this, sequences, cancellation, vectors](int64_t sequence, int64_t) {
         for (int64_t t = sequences.offsets[sequence]; t < sequences.offsets[sequence + 1]; ++t) {
           if (cancellation != nullptr && !cancellation->Check().ok()) return cancellation->Check();
           StayBusy(options_.time_per_token);
           for (int64_t d = 0; d < options_.dimensions; ++d) {
             vectors[t * options_.dimensions + d] =
                 FakeCoordinate(sequences.ids[t], t - sequences.offsets[sequence], d);
           }
         }
         return absl::OkStatus();
       }});
  return job;
}

int64_t FakeEncoder::ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention*, int num_threads) const {
  int64_t num_tokens = 0;
  for (const int64_t length : lengths) num_tokens += length;
  return 100 * num_tokens + 1000 * num_threads;
}

int32_t FakeTokenizer::IdOf(absl::string_view word) const {
  uint64_t bits = word.size();
  for (const char c : word) bits = Mix(bits + static_cast<unsigned char>(c));
  return static_cast<int32_t>(3 + bits % (vocabulary_size_ - 3));
}

std::unique_ptr<Tokenization> FakeTokenizer::Begin(absl::string_view text, int64_t step_bytes) const {
  class Run : public Tokenization {
   public:
    Run(const FakeTokenizer& tokenizer, absl::string_view text, int64_t step_bytes)
        : tokenizer_(tokenizer), text_(text), step_bytes_(static_cast<size_t>(step_bytes)) {}

    absl::StatusOr<bool> Step(std::vector<Token>* tokens) override {
      if (const size_t bad = text_.find('\xff'); bad != text_.npos) {
        return absl::InvalidArgumentError(absl::StrCat("the text is not UTF-8 at byte ", bad));
      }
      for (const size_t stop = begin_ + step_bytes_; begin_ < std::min(stop, text_.size());) {
        const size_t end = std::min(text_.find(' ', begin_), text_.size());
        if (end > begin_) {
          tokens->push_back({tokenizer_.IdOf(text_.substr(begin_, end - begin_)), static_cast<int64_t>(begin_),
                             static_cast<int64_t>(end)});
        }
        begin_ = end + 1;
      }
      return begin_ >= text_.size();
    }

   private:
    const FakeTokenizer& tokenizer_;
    absl::string_view text_;
    size_t step_bytes_;
    size_t begin_ = 0;
  };
  return std::make_unique<Run>(*this, text, step_bytes);
}

std::string FakeTokenizer::Piece(int32_t id) const { return absl::StrCat("<", id, ">"); }

std::shared_ptr<Model> FakeModel(FakeEncoderOptions options) {
  auto model = std::make_shared<Model>();
  model->path = "/models/fake";
  model->id = "0123456789abcdef0123456789abcdef";
  model->architecture = "fake";
  model->max_tokens = options.max_tokens;
  model->tokenizer = std::make_shared<FakeTokenizer>(options.vocabulary_size);
  model->encoder = std::make_shared<FakeEncoder>(std::move(options));
  return model;
}

}  // namespace favor::testing
