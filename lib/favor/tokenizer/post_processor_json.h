#ifndef FAVOR_TOKENIZER_POST_PROCESSOR_JSON_H_
#define FAVOR_TOKENIZER_POST_PROCESSOR_JSON_H_

#include <cstdint>
#include <vector>

#include "favor/format/json_fields.h"

namespace favor {

// Reads `post_processor` of a tokenizer.json: the ids that stand in front of a single text and behind it. Errors go to
// the status of `root`.
void ReadPostProcessor(const JsonFields& root, std::vector<int32_t>* prefix, std::vector<int32_t>* suffix);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_POST_PROCESSOR_JSON_H_
