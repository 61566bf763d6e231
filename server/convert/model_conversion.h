#ifndef FAVOR_SERVER_CONVERT_MODEL_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_MODEL_CONVERSION_H_

#include "favor/v1/model.pb.h"
#include "server/execution/model_registry.h"

namespace favor {

v1::ModelInfo ToModelInfo(const NamedModel& model);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_MODEL_CONVERSION_H_
