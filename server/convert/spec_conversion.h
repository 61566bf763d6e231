#ifndef FAVOR_SERVER_CONVERT_SPEC_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_SPEC_CONVERSION_H_

#include "absl/status/status.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/convert/projection_conversion.h"
#include "server/execution/attend_work.h"

namespace favor {

// What all modes have: causal and precision; scale is checked. Every Status names the field.
absl::Status ReadCommonSpec(const v1::AttentionSpec& wire, SpecWork* work);

// Reads a spec, the layout aside, into work->spec and the work's projection, defaults filled in (also the scale). Takes
// the bytes of the projection matrix out of `data`. Every Status names the field.
absl::Status ReadSpec(const v1::AttentionSpec& wire, const SpecSizes& sizes, LiftedData* data, SpecWork* work);

// Of the spec of a state, which cannot measure statistics: without given ones its features are those without.
void SettleForState(AttentionSpec* spec);

// What the work computes, every default filled in, the supplied matrix and statistics left out: AttendReport.spec.
v1::AttentionSpec EffectiveSpec(const SpecWork& work);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_SPEC_CONVERSION_H_
