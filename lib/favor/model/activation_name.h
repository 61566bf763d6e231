#ifndef FAVOR_MODEL_ACTIVATION_NAME_H_
#define FAVOR_MODEL_ACTIVATION_NAME_H_

#include "favor/format/json_fields.h"
#include "favor/kernels/dense.h"

namespace favor {

// The activation that a field of config.json names, as Hugging Face calls them; `fallback` where there is no such
// field. An error for one that dense layers do not have.
kernels::Activation ReadActivation(const JsonFields& fields, const char* key,
                                   kernels::Activation fallback = kernels::Activation::kGelu);

}  // namespace favor

#endif  // FAVOR_MODEL_ACTIVATION_NAME_H_
