#ifndef FAVOR_SERVER_CONVERT_ATTEND_RESPONSE_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_ATTEND_RESPONSE_CONVERSION_H_

#include <cstdint>
#include <string>

#include "favor/v1/attention.pb.h"
#include "server/execution/attend_work.h"

namespace favor {

// What ran. `spec` is EffectiveSpec() of the work.
v1::AttendReport ToReport(const AttendResult& result, v1::AttentionSpec spec);

// A serialised AttendResponse up to, and without, the bytes of its output: `output` is its last field and `data` the
// last field of that, so the output's own memory can follow as it is.
std::string ResponseHeader(const AttendResult& result, const v1::AttendReport& report);

// A serialised AttendStreamResponse with a report, if there is one, and without the bytes of its output, which come
// last here too.
std::string StreamOutputHeader(const AttendResult& result, const v1::AttendReport* report);
// The same without an output.
std::string StreamReport(const v1::AttendReport& report);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_ATTEND_RESPONSE_CONVERSION_H_
