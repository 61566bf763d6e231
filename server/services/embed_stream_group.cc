#include "server/services/embed_stream_group.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/slice.h"
#include "server/convert/embed_response_conversion.h"
#include "server/convert/embed_stream_conversion.h"
#include "server/convert/field_error.h"
#include "server/services/embed_memory.h"

namespace favor {
namespace {

// The path of the input in a message.
constexpr char kInput[] = "input.input";

}  // namespace

absl::Status EmbedStreamGroup::Take(const ArrivedInput& arrived) {
  grpc::Slice slice;
  if (!arrived.message.DumpToSingleSlice(&slice).ok()) return absl::InternalError("gRPC cannot read the message");
  const absl::StatusOr<EmbedStreamMessage> message =
      ReadEmbedStreamInput({reinterpret_cast<const char*>(slice.begin()), slice.size()});
  if (!message.ok()) return message.status();
  arrival_ = std::min(arrival_, arrived.arrival);
  ids_.push_back(message->id);
  absl::Status admitted = arrived.admitted;
  if (admitted.ok()) admitted = BeginInput(message->body, arrived.bytes());
  if (!admitted.ok()) EndInput(std::move(admitted));
  return absl::OkStatus();
}

absl::Status EmbedStreamGroup::BeginInput(absl::string_view body, int64_t message_bytes) {
  const int64_t prompt_bytes = static_cast<int64_t>(settings_->prompt.size());
  const int64_t bytes = message_bytes + (static_cast<int64_t>(body.size()) + prompt_bytes) * kPassingBytesPerByte;
  absl::Status admitted = reservation_.Grow(bytes, "reading the input");
  if (!admitted.ok()) return admitted;
  passing_bytes_ = bytes;
  reading_.emplace(std::string(body), kInput, *settings_);
  GoOn();
  return absl::OkStatus();
}

void EmbedStreamGroup::GoOn() {
  const absl::StatusOr<bool> done = reading_->Step();
  if (done.ok() && !*done) return;
  absl::StatusOr<EmbedInput> input =
      done.ok() ? absl::StatusOr<EmbedInput>(std::move(reading_->input())) : done.status();
  reading_.reset();
  reservation_.Shrink(passing_bytes_);
  if (input.ok()) {
    if (absl::Status fits = CheckResultFits(*input); !fits.ok()) input = std::move(fits);
  }
  absl::Status admitted = reservation_.Grow(kBytesPerInput + HeldBytes(input), "the token ids");
  if (!admitted.ok()) input = std::move(admitted);
  EndInput(std::move(input));
}

void EmbedStreamGroup::EndInput(absl::StatusOr<EmbedInput> input) {
  errors_.push_back(input.status());
  inputs_.push_back(input.ok() ? *std::move(input) : EmbedInput());
  num_tokens_ += inputs_.back().num_computed_tokens();
  result_bytes_ +=
      MaxEmbedResultBytes(*settings_, EmbedRows(inputs_.back(), settings_->options.pooling), errors_.back());
}

absl::Status EmbedStreamGroup::CheckResultFits(const EmbedInput& input) const {
  const int64_t bytes = MaxEmbedResultBytes(*settings_, EmbedRows(input, settings_->options.pooling), absl::OkStatus());
  if (bytes <= limits_.message_bytes) return absl::OkStatus();
  return FieldError(kInput, absl::StrCat(kInput, " has ", input.num_used_tokens(), " tokens, whose vectors take ",
                                         bytes, " bytes, a message has at most ", limits_.message_bytes));
}

EmbedWork EmbedStreamGroup::TakeWork(std::shared_ptr<const Projection> projection) {
  std::optional<EncoderAttention> attention;
  if (settings_->attention) attention = {*settings_->attention, std::move(projection)};
  return {settings_->model.model, std::move(attention), settings_->options, std::move(inputs_), arrival_};
}

void EmbedStreamGroup::SetOutcome(absl::StatusOr<EmbedOutcome> outcome) {
  if (outcome.ok()) {
    outcome_ = *std::move(outcome);
    for (size_t i = 0; i < errors_.size(); ++i) errors_[i].Update(outcome_.errors[i]);
    return;
  }
  for (absl::Status& error : errors_) error.Update(outcome.status());
}

int64_t EmbedStreamGroup::ResultBytes(int64_t i) const {
  const int64_t num_rows = errors_[i].ok() ? outcome_.rows[i + 1] - outcome_.rows[i] : 0;
  return MaxEmbedResultBytes(*settings_, num_rows, errors_[i]);
}

int64_t EmbedStreamGroup::PlanParts() {
  result_bytes_ = 0;
  for (int64_t i = 0; i < num_inputs(); ++i) result_bytes_ += ResultBytes(i);
  if (absl::Status admitted = reservation_.Grow(result_bytes_, "the results"); !admitted.ok()) {
    SetOutcome(admitted);  // errors are small, and bounded by the inputs in flight
  }
  int64_t part_bytes = kPartBytes;
  for (int64_t i = 0; i < num_inputs(); ++i) {
    if (part_bytes >= kPartBytes) {
      part_begins_.push_back(i);
      part_bytes = 0;
    }
    part_bytes += ResultBytes(i);
  }
  part_begins_.push_back(num_inputs());
  results_.resize(ids_.size());
  return static_cast<int64_t>(part_begins_.size()) - 1;
}

void EmbedStreamGroup::MakePart(int64_t part) {
  for (int64_t i = part_begins_[part]; i < part_begins_[part + 1]; ++i) {
    results_[i] = EmbedStreamResult(ids_[i], *settings_, errors_[i], outcome_, i);
  }
}

void EmbedStreamGroup::KeepResults() {
  outcome_ = {};
  errors_.clear();
  int64_t bytes = 0;
  for (const std::string& result : results_) bytes += static_cast<int64_t>(result.size());
  reservation_.Shrink(std::max<int64_t>(reservation_.bytes() - bytes, 0));
}

}  // namespace favor
