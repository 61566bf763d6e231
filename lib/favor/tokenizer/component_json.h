#ifndef FAVOR_TOKENIZER_COMPONENT_JSON_H_
#define FAVOR_TOKENIZER_COMPONENT_JSON_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "favor/format/json_fields.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

// Fails with the value of a field, "which is not implemented; known: KNOWN".
void NotImplemented(const JsonFields& fields, absl::string_view field, absl::string_view known);

// Read `normalizer` and `pre_tokenizer` of a tokenizer.json. Null where there is none, and after an error, which goes
// to the status of `root`.
std::unique_ptr<Normalizer> ReadNormalizer(const JsonFields& root);
std::unique_ptr<PreTokenizer> ReadPreTokenizer(const JsonFields& root);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_COMPONENT_JSON_H_
