#ifndef FAVOR_SERVER_OBSERVABILITY_RANDOM_ID_H_
#define FAVOR_SERVER_OBSERVABILITY_RANDOM_ID_H_

#include <cstdint>
#include <string>

namespace favor {

// An id of a trace or a span: never 0, no secret. Thread-safe.
uint64_t RandomId();

// Its 16 hexadecimal digits.
std::string HexOf(uint64_t id);

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_RANDOM_ID_H_
