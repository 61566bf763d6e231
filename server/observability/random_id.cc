#include "server/observability/random_id.h"

#include <random>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

std::mt19937_64 Seeded() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
  return std::mt19937_64(seed);
}

}  // namespace

uint64_t RandomId() {
  thread_local std::mt19937_64 generator = Seeded();
  uint64_t id = 0;
  while (id == 0) id = generator();
  return id;
}

std::string HexOf(uint64_t id) { return absl::StrCat(absl::Hex(id, absl::kZeroPad16)); }

}  // namespace favor
