#include "tests/benchmarks/attention_c.h"

#include <memory>
#include <string>

#include "favor/kernels/cpu_target.h"
#include "tests/benchmarks/attention_call.h"
#include "tests/benchmarks/fma_peak.h"

using favor::AttentionCall;

double favor_bench_peak_gflops(int num_threads, double milliseconds) {
  return favor::FmaPeakGflops(num_threads, milliseconds);
}

const char* favor_bench_peak_target() {
  static const std::string name = favor::FmaPeakTarget();
  return name.c_str();
}

const char* favor_bench_cpu_target() {
  static const std::string name = favor::CpuTargetName();
  return name.c_str();
}

void* favor_bench_prepare(const char* variant, int64_t num_heads, int64_t length, int num_threads, const void* queries,
                          const void* keys, const void* values, const float* projection, void* output) {
  const favor::Variant* found = favor::FindVariant(variant);
  if (found == nullptr) return nullptr;
  std::shared_ptr<const favor::Projection> supplied;
  if (projection != nullptr) {
    auto copy = favor::SuppliedProjection({projection, favor::kNumFeatures * favor::kHeadDim}, 1, favor::kNumFeatures,
                                          favor::kHeadDim);
    if (!copy.ok()) return nullptr;
    supplied = *std::move(copy);
  }
  auto bytes = [](const void* data) { return static_cast<const std::byte*>(data); };
  return new AttentionCall(*found, {1, num_heads, length, favor::kHeadDim}, num_threads, bytes(queries), bytes(keys),
                           bytes(values), static_cast<std::byte*>(output), std::move(supplied));
}

const char* favor_bench_run(void* call) {
  static std::string error;
  const absl::Status status = static_cast<AttentionCall*>(call)->Run();
  error = status.ToString();
  return status.ok() ? nullptr : error.c_str();
}

double favor_bench_flops(const void* call) { return static_cast<const AttentionCall*>(call)->flops(); }

void favor_bench_release(void* call) { delete static_cast<AttentionCall*>(call); }
