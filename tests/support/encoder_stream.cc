#include "tests/support/encoder_stream.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace favor::testing {

absl::StatusOr<EncodedEncoderState> EncodeState(const Encoder& encoder, const EncoderState& state,
                                                const std::string& model_id) {
  const absl::StatusOr<EncoderStateDescription> description = encoder.DescribeState();
  if (!description.ok()) return description.status();
  EncodedEncoderState encoded;
  encoded.payload.assign(EncoderStatePayloadBytes(*description), '\xa5');
  const absl::StatusOr<Job> job = PlanEncode(state, *description, model_id, nullptr, &encoded.header,
                                             absl::MakeSpan(encoded.payload.data(), encoded.payload.size()));
  absl::Status status = job.ok() ? RunInline(*job) : job.status();
  if (!status.ok()) return status;
  return encoded;
}

absl::StatusOr<EncoderState> DecodeState(const Encoder& encoder, const EncodedEncoderState& encoded,
                                         const std::string& model_id) {
  const absl::StatusOr<EncoderStateDescription> description = encoder.DescribeState();
  if (!description.ok()) return description.status();
  absl::Status status =
      CheckEncoderState(encoded.header, encoded.payload, *description, model_id, encoder.max_tokens());
  if (!status.ok()) return status;
  absl::StatusOr<EncoderState> state = EncoderState::Create(*description);
  if (!state.ok()) return state.status();
  const absl::StatusOr<Job> job = PlanDecode(encoded.header, encoded.payload, *description, nullptr, &*state);
  status = job.ok() ? RunInline(*job) : job.status();
  if (!status.ok()) return status;
  return state;
}

absl::StatusOr<EncoderState> StartSequence(const Encoder& encoder) {
  const absl::StatusOr<EncoderStateDescription> description = encoder.DescribeState();
  if (!description.ok()) return description.status();
  return EncoderState::Create(*description);
}

absl::StatusOr<std::vector<float>> EncodeChunk(const Encoder& encoder, const std::vector<int32_t>& ids,
                                               EncoderState* state, ThreadPool* pool) {
  std::vector<float> vectors(ids.size() * encoder.dimensions(), std::numeric_limits<float>::quiet_NaN());
  absl::StatusOr<Job> job = encoder.PlanChunk(ids, nullptr, vectors.data(), state);
  if (!job.ok()) return job.status();
  const absl::Status status = pool == nullptr ? RunInline(*job) : pool->Run(*std::move(job));
  if (!status.ok()) return status;
  return vectors;
}

absl::StatusOr<std::vector<float>> EncodeByChunks(const Encoder& encoder, const std::vector<int32_t>& ids,
                                                  const std::vector<int64_t>& lengths, bool recode, ThreadPool* pool) {
  absl::StatusOr<EncoderState> state = StartSequence(encoder);
  if (!state.ok()) return state.status();
  std::vector<float> all;
  size_t next = 0;
  for (auto begin = ids.begin(); begin != ids.end();) {
    const auto end = begin + std::min<int64_t>(lengths[next], ids.end() - begin);
    next = std::min(next + 1, lengths.size() - 1);
    const absl::StatusOr<std::vector<float>> chunk = EncodeChunk(encoder, {begin, end}, &*state, pool);
    if (!chunk.ok()) return chunk.status();
    all.insert(all.end(), chunk->begin(), chunk->end());
    begin = end;
    if (!recode) continue;
    const absl::StatusOr<EncodedEncoderState> encoded = EncodeState(encoder, *state);
    if (!encoded.ok()) return encoded.status();
    state = DecodeState(encoder, *encoded);
    if (!state.ok()) return state.status();
  }
  return all;
}

}  // namespace favor::testing
