#ifndef FAVOR_SERVER_EXECUTION_WARM_UP_H_
#define FAVOR_SERVER_EXECUTION_WARM_UP_H_

#include <memory>

#include "absl/status/status.h"
#include "favor/model/model.h"

namespace favor {

// Embeds a few tokens on the calling thread: weights come into memory before the first request needs them, and a model
// that cannot embed is found. InternalError for vectors that are not finite.
absl::Status WarmUp(std::shared_ptr<const Model> model);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_WARM_UP_H_
