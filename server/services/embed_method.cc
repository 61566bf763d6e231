#include "server/services/embed_method.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/convert/embed_input_reading.h"
#include "server/convert/embed_request_conversion.h"
#include "server/convert/embed_response_conversion.h"
#include "server/convert/field_error.h"
#include "server/execution/queue_wait.h"
#include "server/rpc/response_bytes.h"
#include "server/services/embed_memory.h"
#include "server/services/item_reception.h"

namespace favor {
namespace {

// A call under way. Its stages run one after the other, each on the thread that ended the one before.
struct EmbedCall {
  EmbedCall(const EmbeddingDependencies& dependencies, std::shared_ptr<UnaryCall> call,
            Admission::Reservation reservation)
      : dependencies(dependencies), call(std::move(call)), reservation(std::move(reservation)) {}

  const EmbeddingDependencies& dependencies;
  const std::shared_ptr<UnaryCall> call;
  Admission::Reservation reservation;
  const absl::Time arrival = absl::Now();
  std::optional<EmbedInputReading> reading;  // of the input that is next
  absl::Time computed;
  std::vector<EmbedInput> inputs;
  std::shared_ptr<const Projection> projection;  // null where attention takes none
  EmbedAnswer answer;
  std::vector<int64_t> part_begins;  // first input of each part of the answer, and the number of inputs
  std::vector<std::string> parts;

  absl::StatusOr<ItemHandling::Cost> ReadSettings(const ItemSummary& summary) {
    absl::StatusOr<EmbedSettings> settings = ParseEmbedSettings(summary.beside, *dependencies.models);
    if (!settings.ok()) return settings.status();
    const int64_t prompt_bytes = static_cast<int64_t>(settings->prompt.size());
    if (absl::Status status = CheckPrompt(prompt_bytes, summary.num_items); !status.ok()) return status;
    absl::Status admitted = reservation.Grow(summary.num_items * kBytesPerInput, "the list of inputs");
    if (!admitted.ok()) return admitted;
    answer.settings = *std::move(settings);
    inputs.reserve(summary.num_items);
    answer.errors.reserve(summary.num_items);
    return ItemHandling::Cost{prompt_bytes, kPassingBytesPerByte};
  }

  void Fail(const absl::Status& status) const {
    if (const auto wait = QueueWaitOf(status)) dependencies.metrics->RecordEmbedGivenUp(*wait);
    call->Fail(status);
  }

  // Every input has the prompt tokenised again, so that a short request could ask for any amount of work.
  absl::Status CheckPrompt(int64_t prompt_bytes, int64_t num_inputs) const {
    if (prompt_bytes * num_inputs <= dependencies.max_message_bytes) return absl::OkStatus();
    return FieldError("prompt", absl::StrCat("prompt has ", prompt_bytes, " bytes, before each of ", num_inputs,
                                             " inputs ", prompt_bytes * num_inputs, ", must be at most ",
                                             dependencies.max_message_bytes, ", those of a message"));
  }

  absl::StatusOr<bool> TakeInput(std::string item, int64_t index) {
    reading.emplace(std::move(item), absl::StrCat("inputs[", index, "]"), answer.settings);
    return GoOnWithInput();
  }

  absl::StatusOr<bool> GoOnWithInput() {
    const absl::StatusOr<bool> done = reading->Step();
    if (done.ok() && !*done) return false;
    if (!done.ok() && !absl::IsInvalidArgument(done.status())) return done.status();
    absl::StatusOr<EmbedInput> input = EmbedInput();
    if (done.ok()) {
      *input = std::move(reading->input());
    } else {
      input = done.status();
    }
    reading.reset();
    const int64_t bytes = HeldBytes(input);
    if (absl::Status status = reservation.Grow(bytes, "the token ids"); !status.ok()) return status;
    answer.errors.push_back(input.status());
    inputs.push_back(input.ok() ? *std::move(input) : EmbedInput());
    return true;
  }

  absl::Status CheckResponseFits() const {
    const int64_t bytes = MaxEmbedResponseBytes(answer.settings, inputs, answer.errors);
    if (bytes <= dependencies.max_message_bytes) return absl::OkStatus();
    return FieldError("inputs", absl::StrCat("inputs has ", inputs.size(), " entries, whose embeddings take up to ",
                                             bytes, " bytes, a message has at most ", dependencies.max_message_bytes));
  }

  EmbedWork TakeWork() {
    std::optional<EncoderAttention> attention;
    if (answer.settings.attention) attention = {*answer.settings.attention, projection};
    return {answer.settings.model.model, std::move(attention), answer.settings.options, std::move(inputs), arrival};
  }

  // Divides the answer into parts; their bytes at most.
  int64_t PlanParts() {
    const std::vector<int64_t>& rows = answer.outcome.rows;
    int64_t all_bytes = 0, part_bytes = kPartBytes;
    for (size_t i = 0; i + 1 < rows.size(); ++i) {
      if (part_bytes >= kPartBytes) {
        part_begins.push_back(static_cast<int64_t>(i));
        part_bytes = 0;
      }
      const int64_t bytes = MaxEmbedResultBytes(answer.settings, rows[i + 1] - rows[i], answer.errors[i]);
      part_bytes += bytes;
      all_bytes += bytes;
    }
    part_begins.push_back(static_cast<int64_t>(rows.size()) - 1);
    parts.resize(part_begins.size());
    parts.back() = EmbedReportPart(answer);
    return all_bytes + static_cast<int64_t>(parts.back().size());
  }

  void MakePart(int64_t part) { parts[part] = EmbedResultsPart(answer, part_begins[part], part_begins[part + 1]); }

  void Reply() {
    dependencies.metrics->RecordSerialise(absl::Now() - computed);
    answer = {};  // before the reservation shrinks, so does what it stands for
    call->Reply(ResponseBytes(std::move(parts), std::move(reservation)));
  }
};

void Answer(std::shared_ptr<EmbedCall> embed, EmbedOutcome outcome) {
  embed->computed = absl::Now();
  for (size_t i = 0; i < outcome.errors.size(); ++i) embed->answer.errors[i].Update(outcome.errors[i]);
  embed->answer.outcome = std::move(outcome);
  absl::Status admitted = embed->reservation.Grow(embed->PlanParts(), "the response");
  if (!admitted.ok()) return embed->call->Fail(admitted);
  const int64_t num_parts = static_cast<int64_t>(embed->parts.size()) - 1;  // the report is there
  if (num_parts <= 1) {
    if (num_parts == 1) embed->MakePart(0);
    return embed->Reply();
  }
  Job job;
  job.phases.push_back({num_parts, 1, [embed](int64_t part, int64_t) {
                          embed->MakePart(part);
                          return embed->call->cancellation()->Check();
                        }});
  embed->dependencies.compute->Submit(std::move(job), embed->call->cancellation(),
                                      [embed](const absl::Status& status, Timing) {
                                        if (!status.ok()) return embed->call->Fail(status);
                                        embed->Reply();
                                      });
}

void Run(std::shared_ptr<EmbedCall> embed) {
  embed->dependencies.batcher->Start(embed->TakeWork(), &embed->reservation, embed->call->cancellation(),
                                     [embed](absl::StatusOr<EmbedOutcome> outcome) {
                                       if (!outcome.ok()) return embed->Fail(outcome.status());
                                       embed->call->set_timing(outcome->timing);
                                       embed->dependencies.metrics->RecordEmbed(
                                           outcome->timing, static_cast<int64_t>(outcome->inputs.size()),
                                           outcome->num_tokens);
                                       Answer(embed, *std::move(outcome));
                                     });
}

// Finds or draws the projection, if there is to be one, and runs.
void Execute(std::shared_ptr<EmbedCall> embed) {
  if (absl::Status status = embed->CheckResponseFits(); !status.ok()) return embed->call->Fail(status);
  const std::optional<ProjectionSpec>& spec = embed->answer.settings.projection;
  if (!spec) return Run(std::move(embed));
  embed->projection = embed->dependencies.draws->Find(*spec);
  if (embed->projection != nullptr) return Run(std::move(embed));
  absl::Status admitted = embed->reservation.Grow(DrawnProjectionBytes(*spec), "the projection");
  if (!admitted.ok()) return embed->call->Fail(admitted);
  embed->dependencies.draws->Draw(*spec, embed->call->cancellation(), [embed](auto projection, absl::Duration) {
    if (!projection.ok()) return embed->call->Fail(projection.status());
    embed->projection = *std::move(projection);
    Run(embed);
  });
}

}  // namespace

void Embed(const EmbeddingDependencies& dependencies, std::shared_ptr<UnaryCall> call) {
  auto admitted = dependencies.admission->Admit(call->request_bytes(), "the request", call->priority());
  if (!admitted.ok()) return call->Fail(admitted.status());
  auto embed = std::make_shared<EmbedCall>(dependencies, call, *std::move(admitted));
  ReceiveItems(std::move(call), dependencies.compute, &embed->reservation,
               {"inputs", [embed](const ItemSummary& summary) { return embed->ReadSettings(summary); },
                [embed](std::string item, int64_t index) { return embed->TakeInput(std::move(item), index); },
                [embed] { return embed->GoOnWithInput(); },
                [embed](const absl::Status& status, Timing timing) {
                  if (!status.ok()) return embed->Fail(status);
                  embed->dependencies.metrics->RecordTokenize(timing.compute_time);
                  Execute(embed);
                }});
}

}  // namespace favor
