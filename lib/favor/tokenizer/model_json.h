#ifndef FAVOR_TOKENIZER_MODEL_JSON_H_
#define FAVOR_TOKENIZER_MODEL_JSON_H_

#include "favor/format/json_fields.h"
#include "favor/tokenizer/pipeline_tokenizer.h"

namespace favor {

// Reads `model` of a tokenizer.json: vocabulary and model of the pipeline. Errors go to the status of `root`.
void ReadModel(const JsonFields& root, Pipeline* pipeline);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_MODEL_JSON_H_
