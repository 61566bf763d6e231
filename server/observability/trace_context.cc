#include "server/observability/trace_context.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace favor {
namespace {

constexpr size_t kTraceDigits = 32;
constexpr size_t kSpanDigits = 16;

bool IsHex(absl::string_view text, size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

// Both standards: an id of zeros is none.
bool IsId(absl::string_view text, size_t digits) {
  return IsHex(text, digits) && text.find_first_not_of('0') != absl::string_view::npos;
}

TraceContext Of(absl::string_view trace_id, absl::string_view span_id, std::optional<bool> sampled) {
  std::string id = absl::AsciiStrToLower(trace_id);
  id.insert(0, kTraceDigits - id.size(), '0');  // B3 knows ids of 64 bits
  return {std::move(id), absl::AsciiStrToLower(span_id), sampled, "", ""};
}

// version "-" trace-id "-" parent-id "-" flags, https://www.w3.org/TR/trace-context/#traceparent-header. Later versions
// may append fields.
bool ReadTraceparent(absl::string_view text, TraceContext* context) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '-');
  if (parts.size() < 4 || !IsHex(parts[0], 2) || parts[0] == "ff" || (parts[0] == "00" && parts.size() != 4)) {
    return false;
  }
  if (!IsId(parts[1], kTraceDigits) || !IsId(parts[2], kSpanDigits) || !IsHex(parts[3], 2)) return false;
  const char flags = parts[3][1];
  const int digit = absl::ascii_isdigit(flags) ? flags - '0' : absl::ascii_tolower(flags) - 'a' + 10;
  *context = Of(parts[1], parts[2], (digit & 1) != 0);
  return true;
}

// "d", debug, is an accept; what is missing or unknown defers the decision.
std::optional<bool> B3Decision(absl::string_view sampled) {
  if (sampled == "1" || sampled == "d" || sampled == "true") return true;
  if (sampled == "0" || sampled == "false") return false;
  return std::nullopt;
}

bool ReadB3(absl::string_view trace_id, absl::string_view span_id, absl::string_view sampled, TraceContext* context) {
  if (!IsId(trace_id, kTraceDigits) && !IsId(trace_id, kTraceDigits / 2)) return false;
  if (!IsId(span_id, kSpanDigits)) return false;
  *context = Of(trace_id, span_id, B3Decision(sampled));
  return true;
}

}  // namespace

TraceContext ReadTraceContext(const std::function<absl::string_view(absl::string_view name)>& find_header) {
  TraceContext context;
  if (ReadTraceparent(find_header("traceparent"), &context)) {
    const absl::string_view state = find_header("tracestate");
    if (state.size() <= TraceContext::kMaxTraceState) context.trace_state = std::string(state);
    return context;
  }
  const absl::string_view b3 = find_header("b3");
  if (!b3.empty()) {
    const std::vector<absl::string_view> parts = absl::StrSplit(b3, '-');
    if (parts.size() >= 2) ReadB3(parts[0], parts[1], parts.size() > 2 ? parts[2] : "", &context);
    if (parts.size() == 1) context.sampled = B3Decision(b3);
    return context;
  }
  const absl::string_view sampled = find_header("x-b3-sampled");
  if (!ReadB3(find_header("x-b3-traceid"), find_header("x-b3-spanid"), sampled, &context)) {
    context.sampled = B3Decision(sampled);
  }
  return context;
}

}  // namespace favor
