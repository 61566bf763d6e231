// Mode auto against the choice of somebody who knows everything: some thousand calls of many shapes and magnitudes, on
// numbers drawn at random and on those of trained models. Every way is run and timed for each of them, so that the best
// one is known. FAVOR_STUDY_FILES may name more safetensors files of queries, keys and values, separated by colons.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "favor/attention/auto_attention.h"
#include "favor/attention/auto_ways.h"
#include "gtest/gtest.h"
#include "tests/support/safetensors_file.h"

namespace favor {
namespace {

constexpr int kNumInputs = 334;  // three bounds each
constexpr double kBounds[] = {0.3, 0.1, 0.03};
constexpr double kMostFlops = 1.2e10;  // of exact attention
constexpr double kMostOfExact = 1.15;  // that a call may take

// Of this thread alone: others on the machine do not count.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Queries, keys and values of trained models, [heads][length][dim].
struct Recording {
  std::string name;
  int64_t heads = 0, length = 0, dim = 0;
  std::vector<double> queries, keys, values;
};

std::vector<Recording> Recordings() {
  std::vector<std::string> paths = {FAVOR_TEST_DATA_DIR "/qkv_rxnmapper_layer0.safetensors",
                                    FAVOR_TEST_DATA_DIR "/qkv_rxnmapper_layer11.safetensors"};
  if (const char* more = std::getenv("FAVOR_STUDY_FILES"); more != nullptr) {
    for (const absl::string_view path : absl::StrSplit(more, ':')) paths.emplace_back(path);
  }
  std::vector<Recording> recordings;
  for (const std::string& path : paths) {
    const testing::SafetensorsFile file = testing::ReadSafetensors(path).value();
    const std::vector<int64_t>& shape = file.tensors.at("queries").shape;
    recordings.push_back({path.substr(path.rfind('/') + 1), shape[1], shape[2], shape[3],
                          file.tensors.at("queries").values, file.tensors.at("keys").values,
                          file.tensors.at("values").values});
  }
  return recordings;
}

struct Input {
  std::string kind;
  Shape shape, key_shape;
  double input_scale = 1;
  std::vector<float> queries, keys, values;
  std::vector<int64_t> lengths;

  AttentionInputs Inputs() const {
    AttentionInputs inputs;
    inputs.queries = DenseView(queries.data(), shape);
    inputs.keys = DenseView(keys.data(), key_shape);
    inputs.values = DenseView(values.data(), key_shape);
    inputs.query_lengths = inputs.key_lengths = lengths;
    return inputs;
  }
};

class Draws {
 public:
  Draws(uint32_t seed, const std::vector<Recording>& recordings) : random_(seed), recordings_(recordings) {}

  Input Next(int index) {
    Input input;
    const int kind = index % 4;
    input.input_scale = std::exp(std::log(0.1) + Uniform() * std::log(15.0));  // 0.1 to 1.5
    if (kind >= 2) {
      FromRecording(recordings_[Below(recordings_.size())], kind == 3, &input);
    } else {
      Synthetic(kind == 1, &input);
    }
    if (input.shape.batch_size > 1) {
      for (int64_t b = 0; b < input.shape.batch_size; ++b) {
        input.lengths.push_back(input.shape.length - static_cast<int64_t>(Below(input.shape.length / 2)));
      }
    }
    return input;
  }

 private:
  double Uniform() { return std::uniform_real_distribution<double>()(random_); }
  uint64_t Below(uint64_t n) { return random_() % n; }

  void SetShape(int64_t dim, int64_t max_heads, int64_t max_length, Input* input) {
    const int64_t heads = std::min<int64_t>(int64_t{1} << Below(4), max_heads), batch = Below(4) == 0 ? 2 : 1;
    auto length = static_cast<int64_t>(std::exp(std::log(64.0) + Uniform() * std::log(160.0)));
    const double rest = kMostFlops / static_cast<double>(4 * dim * heads * batch);
    length = std::min({length, max_length, static_cast<int64_t>(std::sqrt(rest))});
    input->shape = {batch, heads, length, dim};
    input->key_shape = input->shape;
    input->queries.resize(input->shape.num_elements());
  }

  void Synthetic(bool clustered, Input* input) {
    SetShape(int64_t{16} << Below(4), 8, 16384, input);
    if (Below(3) == 0) input->key_shape.num_heads = std::max<int64_t>(1, input->shape.num_heads / 2);
    std::normal_distribution<float> normal;
    const auto fill = [&](int64_t count, double scale, std::vector<float>* to) {
      to->resize(count);
      for (float& value : *to) value = static_cast<float>(scale) * normal(random_);
    };
    fill(input->shape.num_elements(), input->input_scale * (clustered ? 0.4 : 1), &input->queries);
    fill(input->key_shape.num_elements(), input->input_scale, &input->keys);
    fill(input->key_shape.num_elements(), 1, &input->values);
    input->kind = clustered ? "clustered" : "normal";
    if (!clustered) return;
    const int64_t num_centres = int64_t{1} << Below(7), dim = input->shape.dim;
    std::vector<float> centres;
    fill(num_centres * dim, input->input_scale, &centres);
    for (int64_t row = 0; row < input->shape.num_elements() / dim; ++row) {
      const auto centre = static_cast<int64_t>(Below(num_centres));
      for (int64_t l = 0; l < dim; ++l) input->queries[row * dim + l] += centres[centre * dim + l];
    }
  }

  // Rows of a recording: a stretch of them, or where that is too short any of them, a little apart from themselves.
  void FromRecording(const Recording& from, bool shuffled, Input* input) {
    SetShape(from.dim, from.heads, shuffled || from.length < 1000 ? 16384 : from.length, input);
    const Shape& shape = input->shape;
    const bool stretch = !shuffled && shape.length <= from.length;
    input->kind = absl::StrCat(from.name, stretch ? "" : ", rows drawn");
    input->keys.resize(shape.num_elements());
    input->values.resize(shape.num_elements());
    std::normal_distribution<float> normal;
    const double noise = stretch ? 0 : 0.1;
    const uint64_t first_head = Below(from.heads), begin = stretch ? Below(from.length - shape.length + 1) : 0;
    for (int64_t b = 0; b < shape.batch_size * shape.num_heads; ++b) {
      const int64_t head = static_cast<int64_t>(first_head + b) % from.heads;
      for (int64_t i = 0; i < shape.length; ++i) {
        const auto row = static_cast<int64_t>(stretch ? begin + i : Below(from.length));
        const int64_t at = (head * from.length + row) * from.dim, to = (b * shape.length + i) * from.dim;
        for (int64_t l = 0; l < from.dim; ++l) {
          const auto jitter = [&] { return noise * normal(random_); };
          input->queries[to + l] = static_cast<float>(input->input_scale * (from.queries[at + l] + jitter()));
          input->keys[to + l] = static_cast<float>(input->input_scale * (from.keys[at + l] + jitter()));
          input->values[to + l] = static_cast<float>(from.values[at + l] + jitter());
        }
      }
    }
  }

  std::mt19937 random_;
  const std::vector<Recording>& recordings_;
};

struct Timed {
  void Take(double once) { seconds = seconds > 0 ? std::min(seconds, once) : once; }

  std::vector<float> output;
  double seconds = 0;  // the least of all times
};

// The shorter a call, the more often it is timed: the least time counts.
bool IsTimedAgain(int times, double least_seconds) {
  return times < (least_seconds < 3e-3 ? 8 : least_seconds < 3e-2 ? 4 : 2);
}

Timed RunWay(const AttentionSpec& spec, const Input& input) {
  Timed timed;
  timed.output.resize(input.shape.num_elements());
  for (int i = 0; IsTimedAgain(i, timed.seconds); ++i) {
    const double begin = CpuSeconds();
    EXPECT_TRUE(Attend(spec, input.Inputs(), DenseView(timed.output.data(), input.shape)).ok());
    timed.Take(CpuSeconds() - begin);
  }
  return timed;
}

AutoOutcome RunAutoOnce(double bound, const CostModel& costs, const Input& input, Timed* timed) {
  timed->output.resize(input.shape.num_elements());
  AutoSpec spec;
  spec.max_relative_error = bound;
  const double begin = CpuSeconds();
  auto attention =
      AutoAttention::Create(spec, input.Inputs(), DenseView(timed->output.data(), input.shape), costs, 1, nullptr);
  EXPECT_TRUE(attention.ok()) << attention.status();
  while (true) {
    const absl::StatusOr<std::optional<Job>> job = (*attention)->NextJob();
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok() || !job->has_value()) break;
    const absl::Status status = RunInline(**job);
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) break;
  }
  timed->Take(CpuSeconds() - begin);
  return (*attention)->outcome();
}

// Exact attention is timed beside it: what the machine does to one it then does to the other. Where auto seems slower
// than it may be, both are timed again, since a disturbance goes away and what is slow stays.
Timed RunAuto(double bound, const CostModel& costs, const Input& input, Timed* exact, AutoOutcome* outcome) {
  constexpr int kMostTimes = 24;
  AttentionSpec exact_spec;
  exact_spec.mode = AttentionMode::kExact;
  Timed timed;
  const auto seems_slow = [&] { return timed.seconds > kMostOfExact * exact->seconds; };
  for (int i = 0; IsTimedAgain(i, timed.seconds) || (i < kMostTimes && seems_slow()); ++i) {
    *outcome = RunAutoOnce(bound, costs, input, &timed);
    const double begin = CpuSeconds();
    EXPECT_TRUE(Attend(exact_spec, input.Inputs(), DenseView(exact->output.data(), input.shape)).ok());
    exact->Take(CpuSeconds() - begin);
  }
  return timed;
}

double Error(const std::vector<float>& output, const std::vector<float>& exact) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(double{output[i]} - exact[i], 2);
    norm += std::pow(double{exact[i]}, 2);
  }
  return std::sqrt(error / norm);
}

// What calls of a kind came to.
struct Tally {
  int calls = 0, kept = 0, best_approximate = 0, approximate = 0, escalations = 0;
  double seconds = 0, best_seconds = 0, exact_seconds = 0;
  std::vector<double> against_exact;

  void Add(const Tally& other) {
    calls += other.calls, kept += other.kept, best_approximate += other.best_approximate;
    approximate += other.approximate, escalations += other.escalations;
    seconds += other.seconds, best_seconds += other.best_seconds, exact_seconds += other.exact_seconds;
    against_exact.insert(against_exact.end(), other.against_exact.begin(), other.against_exact.end());
  }
  void Print(const std::string& name) {
    std::sort(against_exact.begin(), against_exact.end());
    const auto quantile = [&](double q) {
      if (against_exact.empty()) return 0.0;
      return against_exact[static_cast<size_t>(q * static_cast<double>(against_exact.size() - 1))];
    };
    std::printf(
        "%-46s %5d calls, bound kept %.4f, best approximate %d, taken %d, done over %d, %.2f of the best time, "
        "%.2f of exact's, against exact: median %.2f p99 %.2f worst %.2f\n",
        name.c_str(), calls, static_cast<double>(kept) / calls, best_approximate, approximate, escalations,
        seconds / best_seconds, seconds / exact_seconds, quantile(0.5), quantile(0.99), quantile(1));
  }
};

TEST(AutoStudy, KeepsBoundsNearlyAsFastAsWhoeverKnowsEverything) {
  const std::vector<Recording> recordings = Recordings();
  Draws draws(20261126, recordings);
  const CostModel costs = MeasureCosts();
  std::printf("costs: exact %.3g pair %.3g packing %.3g fold %.3g\n", costs.exact, costs.pair, costs.packing,
              costs.fold);
  const bool verbose = std::getenv("FAVOR_STUDY_VERBOSE") != nullptr;
  const char* const only = std::getenv("FAVOR_STUDY_ONLY");
  std::map<std::string, Tally> tallies;
  Tally all;
  for (int index = 0; index < kNumInputs; ++index) {
    const Input input = draws.Next(index);
    if (only != nullptr && index != std::atoi(only)) continue;
    AttentionSpec exact_spec;
    exact_spec.mode = AttentionMode::kExact;
    Timed exact = RunWay(exact_spec, input);
    std::vector<std::pair<double, double>> ways;  // seconds, error
    const internal::CallCosts call_costs(costs, input.Inputs(), false);
    std::string line =
        absl::StrCat(index, " ", input.kind, " B", input.shape.batch_size, " H", input.shape.num_heads, "/",
                     input.key_shape.num_heads, " L", input.shape.length, " d", input.shape.dim, " x",
                     input.input_scale, " exact ms ", 1e3 * exact.seconds, " (model ", 1e3 * call_costs.exact(), ")");
    for (const int64_t anchors : internal::AutoWays::Ladder()) {
      if (!ways.empty() && ways.back().first > 1.2 * exact.seconds) break;
      const AttentionSpec spec =
          internal::AutoWays::SpecOf({.num_anchors = anchors}, 1 / std::sqrt(static_cast<double>(input.shape.dim)));
      const Timed timed = RunWay(spec, input);
      ways.push_back({timed.seconds, Error(timed.output, exact.output)});
      absl::StrAppend(&line, " C", anchors, " ", ways.back().second, " ms ", 1e3 * timed.seconds, " (",
                      1e3 * call_costs.Anchors(anchors), ")");
    }
    if (verbose) std::printf("%s\n", line.c_str());
    for (const double bound : kBounds) {
      AutoOutcome outcome;
      Timed beside = {std::vector<float>(exact.output.size())};
      const Timed timed = RunAuto(bound, costs, input, &beside, &outcome);
      exact.Take(beside.seconds);
      double best = exact.seconds;
      for (const auto& [seconds, error] : ways) {
        if (error <= bound) best = std::min(best, seconds);
      }
      Tally tally;
      const double error = Error(timed.output, exact.output);
      tally.calls = 1;
      tally.kept = error <= bound;
      tally.best_approximate = best < exact.seconds;
      tally.approximate = outcome.spec.mode != AttentionMode::kExact;
      tally.escalations = outcome.num_escalations;
      tally.seconds = timed.seconds;
      tally.best_seconds = best;
      tally.exact_seconds = exact.seconds;
      if (exact.seconds > 1e-3) tally.against_exact = {timed.seconds / beside.seconds};
      if (verbose || !tally.kept) {
        std::printf("    bound %.2f error %.4f ms %.3f best %.3f exact %.3f beside %.3f predicted %.4f | %s\n", bound,
                    error, 1e3 * timed.seconds, 1e3 * best, 1e3 * exact.seconds, 1e3 * beside.seconds,
                    outcome.predicted.has_value() ? outcome.predicted->relative_error : 0, outcome.reason.c_str());
      }
      tallies[input.kind].Add(tally);
      tallies[absl::StrCat("bound ", bound)].Add(tally);
      all.Add(tally);
    }
  }
  for (auto& [name, tally] : tallies) tally.Print(name);
  all.Print("all");
  EXPECT_GE(all.kept, 0.99 * all.calls);
  EXPECT_GE(all.best_approximate, 300);
  EXPECT_LE(all.seconds, 1.3 * all.best_seconds);
  EXPECT_LE(all.against_exact.back(), kMostOfExact);
}

}  // namespace
}  // namespace favor
