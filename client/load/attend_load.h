#ifndef FAVOR_CLIENT_LOAD_ATTEND_LOAD_H_
#define FAVOR_CLIENT_LOAD_ATTEND_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/client.h"
#include "client/load/load_result.h"

namespace favor::load {

// The sizes of an Attend call.
struct AttendShape {
  int64_t batch_size = 1;
  int64_t num_heads = 8;
  int64_t num_key_heads = 8;
  int64_t query_length = 4096;
  int64_t key_length = 4096;
  int64_t head_dim = 64;
  int64_t value_dim = 64;
  DataType type = DataType::kFloat32;
};

// The same Attend call again and again, on random inputs: normally distributed, so that softmax logits at the default
// scale are too.
class AttendLoad {
 public:
  // Caller i uses client i modulo their number. Clients that retry hide failures and waits.
  AttendLoad(const AttendShape& shape, const client::AttendOptions& options, std::vector<client::Client> clients,
             uint64_t seed);

  // One call, and all that came back.
  absl::StatusOr<client::AttendResult> Attend(int caller) const;
  // One call as RunLoad wants it. Thread-safe.
  CallOutcome Call(int caller) const;

 private:
  const client::AttendOptions options_;
  const std::vector<client::Client> clients_;
  std::vector<std::byte> queries_, keys_, values_;
  client::AttendInputs inputs_;
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_ATTEND_LOAD_H_
