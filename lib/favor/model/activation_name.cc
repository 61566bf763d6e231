#include "favor/model/activation_name.h"

#include <string>

namespace favor {

using kernels::Activation;

Activation ReadActivation(const JsonFields& fields, const char* key, Activation fallback) {
  if (!fields.Has(key)) return fallback;
  const std::string name = fields.String(key, "");
  if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  fields.FailValue(key, "must be gelu, gelu_python, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu or swish");
  return Activation::kNone;
}

}  // namespace favor
