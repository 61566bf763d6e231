#include "client/load/attend_load.h"

#include <cstring>
#include <random>
#include <utility>

#include "favor/format/half_float.h"

namespace favor::load {
namespace {

template <typename Element>
void Append(Element element, std::vector<std::byte>* bytes) {
  const size_t size = bytes->size();
  bytes->resize(size + sizeof(element));
  std::memcpy(bytes->data() + size, &element, sizeof(element));
}

std::vector<std::byte> RandomBytes(const std::vector<int64_t>& shape, DataType type, std::mt19937_64* random) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<std::byte> bytes;
  bytes.reserve(count * SizeOf(type));
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < count; ++i) {
    const float value = normal(*random);
    switch (type) {
      case DataType::kFloat32:
        Append(value, &bytes);
        break;
      case DataType::kFloat16:
        Append(Float16FromFloat32(value), &bytes);
        break;
      case DataType::kBFloat16:
        Append(BFloat16FromFloat32(value), &bytes);
        break;
    }
  }
  return bytes;
}

}  // namespace

AttendLoad::AttendLoad(const AttendShape& shape, const client::AttendOptions& options,
                       std::vector<client::Client> clients, uint64_t seed)
    : options_(options), clients_(std::move(clients)) {
  const std::vector<int64_t> queries = {shape.batch_size, shape.num_heads, shape.query_length, shape.head_dim};
  const std::vector<int64_t> keys = {shape.batch_size, shape.num_key_heads, shape.key_length, shape.head_dim};
  const std::vector<int64_t> values = {shape.batch_size, shape.num_key_heads, shape.key_length, shape.value_dim};
  std::mt19937_64 random(seed);
  queries_ = RandomBytes(queries, shape.type, &random);
  keys_ = RandomBytes(keys, shape.type, &random);
  values_ = RandomBytes(values, shape.type, &random);
  inputs_ = {{shape.type, queries, queries_}, {shape.type, keys, keys_}, {shape.type, values, values_}};
}

absl::StatusOr<client::AttendResult> AttendLoad::Attend(int caller) const {
  return clients_[caller % clients_.size()].Attend(inputs_, options_);
}

CallOutcome AttendLoad::Call(int caller) const {
  const absl::StatusOr<client::AttendResult> result = Attend(caller);
  if (!result.ok()) return {result.status()};
  return {absl::OkStatus(), result->report.queue_time, result->report.compute_time, result->request_bytes,
          result->response_bytes};
}

}  // namespace favor::load
