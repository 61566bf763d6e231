#ifndef FAVOR_SERVER_CONVERT_STATE_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_STATE_CONVERSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/state_codec.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/state_work.h"

namespace favor {

absl::StatusOr<StateEncoding> ReadStateEncoding(v1::AttentionState::Encoding wire, absl::string_view field);

// Reads a state, its payload as the bytes that were lifted. Nothing is allocated on a claim: the sizes are held against
// the bytes of the payload. `name` is the path of the field. FailedPreconditionError for a version that this server
// does not know, and for a projection id or a number of features that the state's own spec does not make, naming both;
// otherwise InvalidArgumentError naming the field.
absl::StatusOr<EncodedState> ReadState(const v1::AttentionState& wire, LiftedData* data, const std::string& name);

// An error of the library about "state", which it does not know the path of, as one about `name`.
absl::Status AboutState(const absl::Status& status, absl::string_view name);

// What the state belongs to, given its projection. FailedPreconditionError where it was made with another projection or
// other features than its spec makes.
absl::StatusOr<StateDescription> DescribeEncoded(const EncodedState& encoded,
                                                 const std::shared_ptr<const Projection>& projection);

// Upper bound of the bytes of an AttentionState message. InvalidArgumentError where there can be none.
absl::StatusOr<int64_t> MaxStateBytes(const StateDescription& description, StateEncoding encoding,
                                      const SpecWork& spec);

// A serialised message that has the state as its field `field_number`, in parts that make it one after the other. A
// supplied matrix is in its spec, so that the state needs nothing beside itself.
std::vector<std::string> StateMessage(const StateHeader& header, const SpecWork& spec, std::string payload,
                                      int field_number);

// The layout byte of a StateHeader.
uint8_t LayoutCode(AxisOrder order);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_STATE_CONVERSION_H_
