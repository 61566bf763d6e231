#ifndef FAVOR_SERVER_CONVERT_SPEC_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_SPEC_CONVERSION_H_

#include "absl/status/status.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/attend_work.h"

namespace favor {

// Reads message.request.spec, the layout aside, into work->spec and the work's projection, defaults filled in (also
// the scale). The shapes of work->queries and work->keys must be there and valid. Takes the bytes of the projection
// matrix out of the message. Every Status names the field.
absl::Status ReadSpec(AttendMessage& message, AttendWork* work);

// What the work computes, every default filled in, the supplied matrix left out: AttendReport.spec.
v1::AttentionSpec EffectiveSpec(const AttendWork& work);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_SPEC_CONVERSION_H_
