// Encoder states that arrive inside requests: any bytes of an EmbedStreamRequest are the beginning of a sequence,
// tokens of one, or an error; a state that is taken for one goes on, comes back the same from lossless bytes and makes
// an answer.
//
// Of the first byte, the lowest bit says whether the state of the message is put right before it is read: its version
// and model are those of the model that the message names, and its payload patches a good one (patched_bytes.h). The
// checksum is always put right, which no fuzzer guesses.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "favor/model/encoder_state_codec.h"
#include "favor/v1/embedding.pb.h"
#include "server/convert/embed_sequence_conversion.h"
#include "server/execution/model_registry.h"
#include "tests/fuzz/patched_bytes.h"
#include "tests/support/encoder_stream.h"
#include "tests/support/performer_golden.h"

namespace favor {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}
template <typename StatusOrValue>
bool OkOrNamed(const StatusOrValue& result) {
  const absl::Status status(result.ok() ? absl::OkStatus() : absl::Status(result.status()));
  Check(status.ok() || !status.message().empty());
  return status.ok();
}

absl::StatusOr<std::shared_ptr<const Model>> LoadGolden(const std::string& name) {
  auto model = std::make_shared<Model>();
  const std::string scratch = (std::filesystem::temp_directory_path() / "encoder_state_fuzzer.").string();
  model->encoder = testing::LoadPerformerGolden(name + ".safetensors", scratch).encoder;
  model->id = "0123456789abcdef0123456789abcdef";
  model->pooling = Pooling::kMean;
  return model;
}

const ModelRegistry& Models() {
  static const ModelRegistry* const models = [] {
    auto* loaded = new ModelRegistry(LoadGolden);
    for (const char* name : {"causal", "shift_tokens_causal", "no_projection_causal", "performer_lm_absolute_causal"}) {
      absl::Notification done;
      loaded->Load(name, name, [&done](const absl::StatusOr<NamedModel>& model) {
        Check(model.ok());
        done.Notify();
      });
      done.WaitForNotification();
    }
    return loaded;
  }();
  return *models;
}

void PutRight(v1::EmbedStreamRequest::Sequence* sequence) {
  const absl::StatusOr<NamedModel> named = Models().Find(sequence->settings().model());
  if (!named.ok() || !sequence->has_state()) return;
  const Encoder& encoder = *named->model->encoder;
  v1::EncoderState* state = sequence->mutable_state();
  absl::StatusOr<EncoderState> good = testing::StartSequence(encoder);
  if (!good.ok()) return;
  if (state->num_tokens() != 0) Check(testing::EncodeChunk(encoder, {0, 1, 2}, &*good).ok());
  const auto encoded = testing::EncodeState(encoder, *good, named->model->id);
  Check(encoded.ok());
  state->set_version(kEncoderStateVersion);
  state->set_model_id(named->model->id);
  state->set_payload(testing::Patched(encoded->payload, state->payload()));
}

// The sequence's next tokens, and their answer.
void GoOn(const EmbedSettings& settings, absl::Span<const int32_t> ids, EncoderState* state) {
  const Encoder& encoder = *settings.model.model->encoder;
  const absl::Status checked = encoder.CheckChunk(ids, *state);
  std::vector<float> vectors(ids.size() * encoder.dimensions());
  const absl::StatusOr<Job> job = encoder.PlanChunk(ids, nullptr, vectors.data(), state);
  Check(checked.ok() || !job.ok());
  if (!OkOrNamed(job)) return;
  const absl::Status run = RunInline(*job);
  Check(run.ok() == state->usable());
  if (!run.ok()) return Check(!run.message().empty());
  SequenceVectors answer(&settings, static_cast<int64_t>(ids.size()));
  Check(answer.Allocate().ok());
  answer.Write(vectors.data(), 0, static_cast<int64_t>(ids.size()));
  const std::string header = answer.Header(state->num_tokens());
  const AlignedBuffer<std::byte> data = answer.TakeData();
  v1::EmbedStreamResponse response;
  Check(response.ParseFromString(header + std::string(reinterpret_cast<const char*>(data.data()), data.size())));
}

void Resume(const SequenceStart& start, EncoderStateHeader header, absl::string_view payload) {
  header.checksum = EncoderStateChecksum(header, payload);
  absl::StatusOr<EncoderState> state = EncoderState::Create(start.description);
  Check(state.ok());
  const absl::StatusOr<Job> decode = PlanDecode(header, payload, start.description, nullptr, &*state);
  Check(decode.ok());
  const absl::Status decoded = RunInline(*decode);
  Check(decoded.ok() == state->usable());
  if (!decoded.ok()) return Check(!AboutSequenceState(decoded).message().empty());
  const auto again = testing::EncodeState(*start.settings.model.model->encoder, *state, header.model_id);
  Check(again.ok() && again->payload == payload && again->header.checksum == header.checksum);
  GoOn(start.settings, {}, &*state);
  GoOn(start.settings, {1, 0}, &*state);
  if (!state->usable()) return;
  // Sums may have grown beyond float32, which makes no message.
  const auto later = testing::EncodeState(*start.settings.model.model->encoder, *state, header.model_id);
  if (!OkOrNamed(later)) return;
  v1::EmbedStreamResponse response;
  Check(response.ParseFromString(absl::StrJoin(EncoderStateMessage(later->header, later->payload), "")));
  Check(response.state().num_tokens() == state->num_tokens());
}

void Begin(const EmbedStreamMessage& message) {
  const absl::StatusOr<SequenceStart> start = ReadSequenceStart(message, Models());
  if (!OkOrNamed(start)) return;
  if (start->state) return Resume(*start, start->state->header, start->state->payload);
  absl::StatusOr<EncoderState> state = EncoderState::Create(start->description);
  Check(state.ok());
  GoOn(start->settings, {2}, &*state);
}

void RunTokens(const EmbedStreamMessage& message) {
  const absl::StatusOr<std::vector<int32_t>> ids = ReadTokens(message);
  if (!OkOrNamed(ids)) return;
  EmbedSettings settings;
  settings.model = *Models().Find("causal");
  absl::StatusOr<EncoderState> state = testing::StartSequence(*settings.model.model->encoder);
  Check(state.ok());
  GoOn(settings, absl::MakeConstSpan(*ids).first(std::min<size_t>(ids->size(), 100)), &*state);
}

}  // namespace
}  // namespace favor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Kind = favor::EmbedStreamMessage::Kind;
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  favor::v1::EmbedStreamRequest request;
  if ((data[0] & 1) != 0 && request.ParseFromString(bytes) && request.has_sequence()) {
    favor::PutRight(request.mutable_sequence());
    bytes = request.SerializeAsString();
  }
  const auto message = favor::ReadEmbedStreamMessage(bytes);
  if (!favor::OkOrNamed(message)) return 0;
  if (message->kind == Kind::kSequence) favor::Begin(*message);
  if (message->kind == Kind::kTokens) favor::RunTokens(*message);
  return 0;
}
