#ifndef FAVOR_CLIENT_ATTENTION_STATE_H_
#define FAVOR_CLIENT_ATTENTION_STATE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attention_spec.h"

namespace favor::client {

// How the sums of a state are stored. kUnspecified is kFloat32Compensated, the only one that brings back the same bits.
enum class StateEncoding { kUnspecified = 0, kFloat32Compensated = 1, kFloat32 = 2, kBFloat16 = 3 };

// What linear attention remembers of keys and values: a favor.v1.AttentionState as a server gave it. The client carries
// it, in memory or in files, and reads of it what it says of itself; whether it is whole only a server tells, by its
// checksum. docs/attention_state.md has every byte. A value, cheap to copy. Thread-safe.
class AttentionState {
 public:
  // InvalidArgumentError when the bytes are no such message, or one without sizes, encoding or payload.
  static absl::StatusOr<AttentionState> Parse(std::string serialized);

  // The same of a file, which holds the serialised message and nothing else. Errors name the file.
  static absl::StatusOr<AttentionState> Load(const std::string& path);

  // Writes such a file. It appears, or replaces another, all at once: who reads meanwhile, or is killed, finds the old
  // one or the new one.
  absl::Status Save(const std::string& path) const;

  // The message's bytes.
  const std::string& serialized() const { return data_->serialized; }

  // What it belongs to, every default filled in; a supplied projection matrix is among the bytes, but not here.
  const AttentionSpec& spec() const { return data_->spec; }
  const std::string& projection_id() const { return data_->projection_id; }
  uint32_t version() const { return data_->version; }
  int64_t batch_size() const { return data_->batch_size; }
  int64_t num_heads() const { return data_->num_heads; }  // key heads
  int64_t head_dim() const { return data_->head_dim; }
  int64_t value_dim() const { return data_->value_dim; }
  int64_t num_features() const { return data_->num_features; }              // of each head
  const std::vector<int64_t>& num_keys() const { return data_->num_keys; }  // [batch_size], folded so far
  StateEncoding encoding() const { return data_->encoding; }

  // Whether the messages are the same, byte for byte.
  friend bool operator==(const AttentionState& a, const AttentionState& b) { return a.serialized() == b.serialized(); }

 private:
  struct Data {
    std::string serialized;
    AttentionSpec spec;
    std::string projection_id;
    uint32_t version = 0;
    int64_t batch_size = 0, num_heads = 0, head_dim = 0, value_dim = 0, num_features = 0;
    std::vector<int64_t> num_keys;
    StateEncoding encoding = StateEncoding::kUnspecified;
  };
  static absl::Status Read(Data* data);
  explicit AttentionState(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  std::shared_ptr<const Data> data_;  // never null
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_ATTENTION_STATE_H_
