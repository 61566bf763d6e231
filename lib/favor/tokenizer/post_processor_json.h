#ifndef FAVOR_TOKENIZER_POST_PROCESSOR_JSON_H_
#define FAVOR_TOKENIZER_POST_PROCESSOR_JSON_H_

#include "favor/format/json_fields.h"
#include "favor/tokenizer/pipeline_tokenizer.h"

namespace favor {

// Reads `post_processor` of a tokenizer.json: the ids that stand in front of a single text and behind it, and which
// spaces do not count to a token. Errors go to the status of `root`.
void ReadPostProcessor(const JsonFields& root, Pipeline* pipeline);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_POST_PROCESSOR_JSON_H_
