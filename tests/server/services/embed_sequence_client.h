#ifndef FAVOR_TESTS_SERVER_SERVICES_EMBED_SEQUENCE_CLIENT_H_
#define FAVOR_TESTS_SERVER_SERVICES_EMBED_SEQUENCE_CLIENT_H_

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/services/embed_stream_client.h"

namespace favor::testing {

// A stream that is one sequence, as a client makes it.
class EmbedSequenceClient {
 public:
  explicit EmbedSequenceClient(v1::EmbeddingService::Stub* stub, const v1::EmbedRequest& settings = {},
                               const std::optional<v1::EncoderState>& state = std::nullopt)
      : stream_(stub) {
    v1::EmbedStreamRequest request;
    *request.mutable_sequence()->mutable_settings() = settings;
    if (state) *request.mutable_sequence()->mutable_state() = *state;
    stream_.Send(request);
  }

  bool Send(const std::vector<int32_t>& ids) {
    v1::EmbedStreamRequest request;
    request.mutable_tokens()->mutable_ids()->Add(ids.begin(), ids.end());
    return stream_.Send(request);
  }
  bool SendGetState() {
    v1::EmbedStreamRequest request;
    request.set_get_state(true);
    return stream_.Send(request);
  }
  // The next answer; one without fields when the stream has ended.
  v1::EmbedStreamResponse Read() { return stream_.Read().value_or(v1::EmbedStreamResponse()); }

  v1::EmbedStreamResponse Answer(const std::vector<int32_t>& ids) {
    Send(ids);
    return Read();
  }
  v1::EncoderState State() {
    SendGetState();
    return Read().state();
  }
  // The status once nothing more is sent.
  grpc::Status End() {
    stream_.SendNoMore();
    return stream_.Finish();
  }
  EmbedStreamClient& stream() { return stream_; }

 private:
  EmbedStreamClient stream_;
};

// The numbers of an embedding of float32.
inline std::vector<float> FloatsOf(const v1::Embedding& embedding) {
  std::vector<float> values(embedding.data().size() / sizeof(float));
  std::memcpy(values.data(), embedding.data().data(), values.size() * sizeof(float));
  return values;
}

// Token ids 0, 3, 6 ... modulo num_tokens.
inline std::vector<int32_t> SomeIds(int64_t length, int32_t num_tokens) {
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < length; ++t) ids.push_back(static_cast<int32_t>(3 * t % num_tokens));
  return ids;
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SERVER_SERVICES_EMBED_SEQUENCE_CLIENT_H_
