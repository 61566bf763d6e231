#ifndef FAVOR_ATTENTION_STATE_PHASES_H_
#define FAVOR_ATTENTION_STATE_PHASES_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/state_codec.h"
#include "favor/base/cancellation.h"
#include "favor/base/hash128.h"
#include "favor/base/job.h"

// What jobs that turn states to bytes and back are made of. Everything that is passed by pointer must outlive the job;
// cancellation may be null.
namespace favor::internal {

// How errors name head `index` of a state: "state of sequence 1, head 0".
using NameOfHead = std::function<std::string(int64_t index)>;

// Writes the heads of a state, one after the other, to `payload`.
Phase PutHeadsPhase(const AttentionState* state, StateEncoding encoding, NameOfHead name,
                    const Cancellation* cancellation, char* payload);

// Reads them back and checks them as those of num_keys(sequence) keys. The state is not usable meanwhile.
Phase TakeHeadsPhase(const char* payload, StateEncoding encoding, std::function<int64_t(int64_t sequence)> num_keys,
                     NameOfHead name, const Cancellation* cancellation, AttentionState* state);

// Hashes what `start` has added, made by the first step, and then the bytes; the last step is done(XXH3-64).
Phase HashPhase(std::function<FieldHasher()> start, absl::string_view bytes, const Cancellation* cancellation,
                std::function<absl::Status(uint64_t checksum)> done);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_STATE_PHASES_H_
