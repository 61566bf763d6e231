#ifndef FAVOR_SERVER_SERVICES_EMBED_STREAM_GROUP_H_
#define FAVOR_SERVER_SERVICES_EMBED_STREAM_GROUP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/convert/embed_input_reading.h"
#include "server/convert/embed_request_conversion.h"
#include "server/execution/admission.h"
#include "server/execution/embed_work.h"

namespace favor {

// An input of a stream as it came.
struct ArrivedInput {
  grpc::ByteBuffer message;
  absl::Status admitted;  // why there is no room for it
  absl::Time arrival;

  int64_t bytes() const { return static_cast<int64_t>(message.Length()); }
};

// Neighbouring inputs of a stream that are tokenised, embedded and answered together: one call to the batcher, so that
// a stream has one turn where a unary call has one. Used by one thread at a time.
class EmbedStreamGroup {
 public:
  struct Limits {
    int64_t tokens = 0;         // of the inputs, and
    int64_t result_bytes = 0;   // of the results, after which no further input is taken
    int64_t message_bytes = 0;  // of one result
  };

  // `settings` must outlive the group.
  EmbedStreamGroup(const EmbedSettings* settings, const Limits& limits, Admission::Reservation reservation)
      : settings_(settings), limits_(limits), reservation_(std::move(reservation)) {}

  // Reads an input and begins to tokenise it. What is wrong with it becomes its result; an error is about the stream:
  // the message is no input.
  absl::Status Take(const ArrivedInput& arrived);
  // A long text is tokenised in steps of some milliseconds: GoOn() takes the next one.
  bool is_within_input() const { return reading_.has_value(); }
  void GoOn();
  bool full() const { return num_tokens_ >= limits_.tokens || result_bytes_ >= limits_.result_bytes; }
  int64_t num_inputs() const { return static_cast<int64_t>(ids_.size()); }

  // For the batcher, once all inputs are taken.
  EmbedWork TakeWork(std::shared_ptr<const Projection> projection);
  Admission::Reservation* reservation() { return &reservation_; }
  // What the batcher answers. An error becomes the result of every input that has none yet.
  void SetOutcome(absl::StatusOr<EmbedOutcome> outcome);

  // Writes the results in parts, which may be made at once.
  int64_t PlanParts();
  void MakePart(int64_t part);
  // Lets go of everything but the results.
  void KeepResults();

  bool HasResult() const { return next_result_ < results_.size(); }
  // The next result, a serialised EmbedStreamResponse, in the order of the inputs.
  std::string TakeResult() { return std::move(results_[next_result_++]); }

 private:
  absl::Status BeginInput(absl::string_view body, int64_t message_bytes);
  void EndInput(absl::StatusOr<EmbedInput> input);
  absl::Status CheckResultFits(const EmbedInput& input) const;
  // Upper bound of the bytes of a result.
  int64_t ResultBytes(int64_t i) const;

  const EmbedSettings* const settings_;
  const Limits limits_;
  Admission::Reservation reservation_;
  absl::Time arrival_ = absl::InfiniteFuture();  // of the first input
  std::vector<uint64_t> ids_;                    // [num_inputs]
  std::optional<EmbedInputReading> reading_;     // of the last one, until it is read
  int64_t passing_bytes_ = 0;                    // admitted for reading_
  std::vector<absl::Status> errors_;             // [num_inputs]
  std::vector<EmbedInput> inputs_;               // [num_inputs], until TakeWork()
  int64_t num_tokens_ = 0;
  int64_t result_bytes_ = 0;
  EmbedOutcome outcome_;
  std::vector<int64_t> part_begins_;  // first input of each part, and the number of inputs
  std::vector<std::string> results_;  // [num_inputs]
  size_t next_result_ = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_EMBED_STREAM_GROUP_H_
