#ifndef FAVOR_CLIENT_WIRE_DECODE_REPORT_H_
#define FAVOR_CLIENT_WIRE_DECODE_REPORT_H_

#include "client/attend.h"
#include "favor/v1/attention.pb.h"

namespace favor::client {

AttendReport DecodeReport(const v1::AttendReport& wire);

Statistics DecodeStatistics(const v1::Statistics& wire);

AttentionSpec DecodeAttentionSpec(const v1::AttentionSpec& wire);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DECODE_REPORT_H_
