#ifndef FAVOR_TESTS_SUPPORT_ENCODER_STREAM_H_
#define FAVOR_TESTS_SUPPORT_ENCODER_STREAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/base/thread_pool.h"
#include "favor/model/encoder.h"
#include "favor/model/encoder_state_codec.h"

namespace favor::testing {

struct EncodedEncoderState {
  EncoderStateHeader header;
  std::string payload;
};

// Of a model with this id.
absl::StatusOr<EncodedEncoderState> EncodeState(const Encoder& encoder, const EncoderState& state,
                                                const std::string& model_id = "id");
// Checked and decoded.
absl::StatusOr<EncoderState> DecodeState(const Encoder& encoder, const EncodedEncoderState& encoded,
                                         const std::string& model_id = "id");

// The state of a sequence without tokens.
absl::StatusOr<EncoderState> StartSequence(const Encoder& encoder);

// Vectors of the sequence's next tokens; on the calling thread when there is no pool.
absl::StatusOr<std::vector<float>> EncodeChunk(const Encoder& encoder, const std::vector<int32_t>& ids,
                                               EncoderState* state, ThreadPool* pool = nullptr);

// Vectors of a whole sequence by chunks of these lengths, the last one repeated. recode: between any two the state is
// encoded, and decoded as another one.
absl::StatusOr<std::vector<float>> EncodeByChunks(const Encoder& encoder, const std::vector<int32_t>& ids,
                                                  const std::vector<int64_t>& lengths, bool recode = false,
                                                  ThreadPool* pool = nullptr);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ENCODER_STREAM_H_
