#include "favor/attention/auto_pilot.h"

#include <algorithm>
#include <limits>
#include <map>

#include "favor/attention/plan_sizes.h"
#include "favor/attention/sampled_rows.h"
#include "favor/attention/scattered_rows.h"
#include "favor/attention/squared_distance.h"
#include "favor/attention/statistics_phases.h"
#include "favor/base/philox.h"
#include "favor/feature_map/fit_statistics.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

// Queries that may be computed: so many for a row that is, and of a key head.
constexpr int64_t kCandidatesPerRow = 4, kFewestCandidates = 32, kMostCandidates = 256;
// Keys that tell how loud a head is.
constexpr int64_t kSampledKeys = 64;
// h: the estimate is f' + h/2 f'', so small; float32 rounds f, so not too small.
constexpr float kStep = 1.0f / 32;

// Up to `count` of n positions, each in its stratum; not those that anchors are fitted to, which these are nearer to
// than to others, where one beside them is not.
std::vector<int64_t> CandidatePositions(int64_t n, int64_t count) {
  const StratifiedRows candidates(n, count), fitted = StratifiedRows::InSteps(n, kMaxAnchorSample);
  std::vector<int64_t> positions(candidates.count());
  for (int64_t i = 0; i < candidates.count(); ++i) {
    int64_t& position = positions[i] = candidates.Row(i);
    if (!fitted.Contains(position)) continue;
    for (const int64_t beside : {position + 1, position - 1}) {
      if (beside < 0 || beside >= n || fitted.Contains(beside)) continue;
      position = beside;
      break;
    }
  }
  return positions;
}

int64_t NumCandidates(int64_t num_rows, const AttentionInputs& inputs) {
  return std::clamp(kCandidatesPerRow * num_rows / inputs.keys.shape.num_heads, kFewestCandidates, kMostCandidates);
}

FeatureSpec FeaturesOf(int64_t num_anchors) {
  FeatureSpec spec;
  spec.estimator = Estimator::kAnchors;
  spec.num_anchors = num_anchors;
  return spec;
}

// Rows [count][Padded(dim)] times G', G row-major [dim][dim]: they in its metric.
absl::StatusOr<AlignedBuffer<float>> Transform(const float* rows, int64_t count, int64_t dim,
                                               const std::vector<double>& g) {
  const int64_t stride = kernels::Padded(dim);
  auto transposed = AlignedBuffer<float>::AllocateZeroed(dim * stride);
  auto out = AlignedBuffer<float>::Allocate(count * stride);
  if (!transposed.ok()) return transposed.status();
  if (!out.ok()) return out.status();
  for (int64_t i = 0; i < dim; ++i) {
    for (int64_t j = 0; j < dim; ++j) (*transposed)[j * stride + i] = static_cast<float>(g[i * dim + j]);
  }
  kernels::MatMul({rows, stride, 1}, {transposed->data(), stride}, out->data(), stride, count, dim, stride,
                  /*accumulate=*/false);
  return out;
}

// The nearest of some centres to every point, rows of Padded(dim), and the squares of the distances unless they are
// null.
absl::Status FindNearest(const float* points, int64_t count, const float* centres, int64_t num_centres, int64_t dim,
                         std::vector<int64_t>* nearest, std::vector<double>* distances) {
  const int64_t stride = kernels::Padded(dim), columns = kernels::Padded(num_centres);
  auto transposed = AlignedBuffer<float>::AllocateZeroed(dim * columns);
  auto products = AlignedBuffer<float>::Allocate(count * columns);
  if (!transposed.ok()) return transposed.status();
  if (!products.ok()) return products.status();
  const std::vector<float> zeros(dim, 0.0f);
  std::vector<float> offsets(num_centres);
  for (int64_t c = 0; c < num_centres; ++c) {
    offsets[c] = static_cast<float>(SquaredDistance(centres + c * stride, zeros.data(), dim) / 2);
    for (int64_t l = 0; l < dim; ++l) (*transposed)[l * columns + c] = centres[c * stride + l];
  }
  kernels::MatMul({points, stride, 1}, {transposed->data(), columns}, products->data(), columns, count, dim, columns,
                  /*accumulate=*/false);
  for (int64_t t = 0; t < count; ++t) {
    const float* product = products->data() + t * columns;
    int64_t best = 0;
    for (int64_t c = 1; c < num_centres; ++c) {
      if (product[c] - offsets[c] > product[best] - offsets[best]) best = c;
    }
    nearest->push_back(best);
    if (distances != nullptr) distances->push_back(SquaredDistance(points + t * stride, centres + best * stride, dim));
  }
  return absl::OkStatus();
}

double Uniform(uint64_t seed) {
  const auto bits = Philox4x32({0, 0, 0, 7}, {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return (static_cast<double>(bits[0]) + 0.5) / 4294967296.0;
}

}  // namespace

AutoPilot::AutoPilot(Options options, const AttentionInputs& inputs, const Cancellation* cancellation)
    : options_(std::move(options)), inputs_(inputs), cancellation_(cancellation) {
  exact_spec_.mode = AttentionMode::kExact;
  exact_spec_.scale = options_.scale;
  const Shape &queries = inputs_.queries.shape, &keys = inputs_.keys.shape;
  const int64_t group = queries.num_heads / keys.num_heads;
  for (size_t level = 0; level < options_.levels.size(); ++level) {
    statistics_.push_back(std::make_shared<Statistics>());
    statistics_.back()->heads.resize(keys.num_heads);
  }
  for (int64_t key_head = 0; key_head < keys.num_heads; ++key_head) {
    Unit unit;
    unit.key_head = key_head;
    int64_t query_end = 0, key_end = 0;
    for (int64_t batch = 0; batch < queries.batch_size; ++batch) {
      const int64_t num_keys = inputs_.NumKeys(batch), num_queries = inputs_.NumQueries(batch);
      if (num_keys == 0 || num_queries == 0) continue;
      unit.keys.push_back({key_end, key_end + num_keys, batch, key_head});
      key_end += num_keys;
      for (int64_t head = key_head * group; head < (key_head + 1) * group; ++head) {
        unit.queries.push_back({query_end, query_end + num_queries, batch, head});
        query_end += num_queries;
      }
    }
    if (query_end > 0) units_.push_back(std::move(unit));
  }
}

const AutoPilot::Segment& AutoPilot::SegmentOf(const std::vector<Segment>& segments, int64_t position) {
  return *std::upper_bound(segments.begin(), segments.end(), position,
                           [](int64_t at, const Segment& segment) { return at < segment.end; });
}

absl::StatusOr<AlignedBuffer<float>> AutoPilot::Gather(const char* name, const TensorView& tensor,
                                                       const std::vector<Segment>& segments,
                                                       const std::vector<int64_t>& positions) const {
  const int64_t stride = kernels::Padded(tensor.shape.dim);
  auto rows = AlignedBuffer<float>::AllocateZeroed(static_cast<int64_t>(positions.size()) * stride);
  if (!rows.ok()) return rows;
  const auto place_at = [&](int64_t index) {
    const Segment& segment = SegmentOf(segments, positions[index]);
    return RowPlace{segment.batch, segment.head, positions[index] - segment.begin};
  };
  absl::Status status =
      PackScattered(name, tensor, 0, static_cast<int64_t>(positions.size()), place_at, rows->data(), stride);
  if (!status.ok()) return status;
  return rows;
}

// The mean variance of a coordinate over the keys, which the metric of anchors leaves out.
absl::StatusOr<double> AutoPilot::KeyVariance(const Unit& unit) const {
  const StratifiedRows sample(unit.keys.back().end, kSampledKeys);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < sample.count(); ++i) positions.push_back(sample.Row(i));
  const auto keys = Gather("keys", inputs_.keys, unit.keys, positions);
  if (!keys.ok()) return keys.status();
  const int64_t dim = inputs_.keys.shape.dim, stride = kernels::Padded(dim);
  const auto count = static_cast<int64_t>(positions.size());
  double variance = 0;
  for (int64_t l = 0; l < dim; ++l) {
    double sum = 0, squares = 0;
    for (int64_t t = 0; t < count; ++t) {
      const double value = (*keys)[t * stride + l] - double{(*keys)[l]};
      sum += value;
      squares += value * value;
    }
    variance += (squares - sum * sum / static_cast<double>(count)) / static_cast<double>(count * dim);
  }
  return variance;
}

absl::Status AutoPilot::FindAnchors(Unit* unit) const {
  const int64_t dim = inputs_.queries.shape.dim, stride = kernels::Padded(dim);
  const int64_t num_queries = unit->queries.back().end;
  unit->positions = CandidatePositions(num_queries, NumCandidates(options_.num_rows, inputs_));
  const auto count = static_cast<int64_t>(unit->positions.size());
  auto candidates = Gather("queries", inputs_.queries, unit->queries, unit->positions);
  if (!candidates.ok()) return candidates.status();
  unit->candidates = *std::move(candidates);
  const absl::StatusOr<double> variance = KeyVariance(*unit);
  if (!variance.ok()) return variance.status();
  const double multiplier = options_.scale * options_.scale * *variance;
  // One for all levels, but for a single anchor, which needs none.
  const std::vector<double>& metric = statistics_.back()->heads[unit->key_head].query_transform;
  const auto points = Transform(unit->candidates.data(), count, dim, metric);
  if (!points.ok()) return points.status();
  for (size_t level = 0; level < options_.levels.size(); ++level) {
    const std::vector<double>& anchors = statistics_[level]->heads[unit->key_head].anchors;
    const auto num_anchors = static_cast<int64_t>(anchors.size()) / dim;
    std::vector<float> rows(num_anchors * stride, 0.0f);
    for (int64_t i = 0; i < num_anchors * dim; ++i) rows[i / dim * stride + i % dim] = static_cast<float>(anchors[i]);
    const auto centres = Transform(rows.data(), num_anchors, dim, metric);
    if (!centres.ok()) return centres.status();
    std::vector<int64_t> nearest;
    const bool is_middle = level == options_.levels.size() / 2;
    absl::Status status = FindNearest(points->data(), count, centres->data(), num_anchors, dim, &nearest,
                                      is_middle ? &unit->variances : nullptr);
    if (!status.ok()) return status;
    unit->anchors.push_back(std::move(nearest));
  }
  for (double& distance : unit->variances) distance *= multiplier;
  return absl::OkStatus();
}

// With s the variance of what is left of a row's logits beside its anchor, its squared error grows as s^2 and ends near
// 1: (s / (1 + s))^2. Half of the rows are taken in proportion to that, at the level in the middle, half of them
// evenly.
void AutoPilot::ChooseRows() {
  const auto weight = [](const Unit& unit, size_t i) {
    const double part = unit.variances[i] / (1 + unit.variances[i]);
    return part * part;
  };
  double sum = 0;
  int64_t count = 0;
  for (const Unit& unit : units_) {
    for (size_t i = 0; i < unit.positions.size(); ++i) sum += weight(unit, i);
    count += static_cast<int64_t>(unit.positions.size());
  }
  const double stride = 1.0 / static_cast<double>(options_.num_rows);
  double passed = 0, next = Uniform(options_.seed) * stride;
  for (size_t u = 0; u < units_.size(); ++u) {
    for (size_t i = 0; i < units_[u].positions.size(); ++i) {
      const double even = 1 / static_cast<double>(count);
      const double probability = sum > 0 ? 0.5 * even + 0.5 * weight(units_[u], i) / sum : even;
      passed += probability;
      for (; next < passed && static_cast<int64_t>(rows_.size()) < options_.num_rows; next += stride) {
        rows_.push_back({static_cast<int64_t>(u), static_cast<int64_t>(i), probability});
      }
    }
  }
}

Job AutoPilot::PlanFit() {
  Job job;
  job.phases = AnchorLevelPhases(options_.levels, inputs_, cancellation_, statistics_);
  job.phases.push_back(
      {static_cast<int64_t>(units_.size()), 1, [this](int64_t unit, int64_t) { return FindAnchors(&units_[unit]); }});
  job.phases.push_back({1, 1, [this](int64_t, int64_t) {
                          ChooseRows();
                          return absl::OkStatus();
                        }});
  return job;
}

std::vector<AutoPilot::Group> AutoPilot::MakeGroups() const {
  std::map<std::pair<int64_t, int64_t>, Group> by_head;
  for (const Row& row : rows_) {
    const Unit& unit = units_[row.unit];
    const Segment& segment = SegmentOf(unit.queries, unit.positions[row.candidate]);
    Group& group = by_head[{segment.batch, segment.head}];
    group.batch = segment.batch;
    group.head = segment.head;
    group.unit = row.unit;
    group.rows.push_back(row);
  }
  std::vector<Group> groups;
  for (auto& [head, group] : by_head) {
    const auto num_rows = static_cast<int64_t>(group.rows.size());
    group.num_queries = 1 + num_rows;
    for (size_t level = 0; level < options_.levels.size(); ++level) {
      Group::Level of;
      std::map<int64_t, int64_t> index_of;
      for (const Row& row : group.rows) {
        const int64_t anchor = units_[row.unit].anchors[level][row.candidate];
        const auto [place, is_new] = index_of.try_emplace(anchor, static_cast<int64_t>(of.anchors.size()));
        if (is_new) of.anchors.push_back(anchor);
        of.anchor_of.push_back(place->second);
      }
      of.first_anchor = group.num_queries;
      of.first_point = of.first_anchor + static_cast<int64_t>(of.anchors.size());
      group.num_queries = of.first_point + num_rows;
      group.levels.push_back(std::move(of));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

absl::Status AutoPilot::FillQueries(Group* group) const {
  const int64_t dim = inputs_.queries.shape.dim, stride = kernels::Padded(dim);
  auto queries = AlignedBuffer<float>::AllocateZeroed(group->num_queries * dim);
  auto outputs = AlignedBuffer<float>::AllocateZeroed(group->num_queries * inputs_.values.shape.dim);
  if (!queries.ok()) return queries.status();
  if (!outputs.ok()) return outputs.status();
  group->queries = *std::move(queries);
  group->outputs = *std::move(outputs);
  const Unit& unit = units_[group->unit];
  float* const to = group->queries.data();
  for (size_t i = 0; i < group->rows.size(); ++i) {
    const float* row = unit.candidates.data() + group->rows[i].candidate * stride;
    std::copy_n(row, dim, to + (1 + i) * dim);
    for (size_t level = 0; level < group->levels.size(); ++level) {
      const Group::Level& of = group->levels[level];
      const double* anchor =
          statistics_[level]->heads[unit.key_head].anchors.data() + of.anchors[of.anchor_of[i]] * dim;
      float* at_anchor = to + (of.first_anchor + of.anchor_of[i]) * dim;
      float* point = to + (of.first_point + static_cast<int64_t>(i)) * dim;
      for (int64_t l = 0; l < dim; ++l) {
        at_anchor[l] = static_cast<float>(anchor[l]);
        point[l] = static_cast<float>(anchor[l] + kStep * (row[l] - anchor[l]));
      }
    }
  }
  return absl::OkStatus();
}

AttentionOperands AutoPilot::OperandsOf(Group& group) const {
  const int64_t key_head = units_[group.unit].key_head;
  const int64_t num_keys = inputs_.NumKeys(group.batch);
  const int64_t step = CeilDiv(num_keys, kMostKeys), first = (step - 1) / 2;
  const auto of_head = [&](const TensorView& view) {
    TensorView rows{view.Row(group.batch, key_head, first), view.type, {}, view.strides};
    rows.shape = {1, 1, CeilDiv(num_keys - first, step), view.shape.dim};
    rows.strides.length *= step;
    return rows;
  };
  AttentionOperands operands;
  operands.inputs.queries =
      DenseView(static_cast<const float*>(group.queries.data()), {1, 1, group.num_queries, inputs_.queries.shape.dim});
  operands.inputs.keys = of_head(inputs_.keys);
  operands.inputs.values = of_head(inputs_.values);
  operands.output = DenseView(group.outputs.data(), {1, 1, group.num_queries, inputs_.values.shape.dim});
  return operands;
}

absl::StatusOr<Job> AutoPilot::PlanRows() {
  groups_ = MakeGroups();
  std::vector<AttentionOperands> calls;
  for (Group& group : groups_) {
    if (absl::Status status = FillQueries(&group); !status.ok()) return status;
    calls.push_back(OperandsOf(group));
  }
  absl::StatusOr<Job> job = PlanAttention(exact_spec_, calls, cancellation_, &exact_report_);
  if (job.ok()) job->phases.push_back({1, 1, [this](int64_t, int64_t) { return Estimate(); }});
  return job;
}

absl::Status AutoPilot::Estimate() {
  const int64_t dim = inputs_.values.shape.dim;
  std::vector<std::vector<MeasuredRow>> measured(options_.levels.size());
  std::vector<float> zeros(dim, 0.0f), answer(dim);
  for (const Group& group : groups_) {
    const auto output = [&](int64_t query) { return group.outputs.data() + query * dim; };
    for (int64_t i = 0; i < static_cast<int64_t>(group.rows.size()); ++i) {
      const float* exact = output(1 + i);
      for (size_t level = 0; level < group.levels.size(); ++level) {
        const Group::Level& of = group.levels[level];
        const float *at_anchor = output(of.first_anchor + of.anchor_of[i]), *at_point = output(of.first_point + i);
        for (int64_t c = 0; c < dim; ++c) answer[c] = at_anchor[c] + (at_point[c] - at_anchor[c]) / kStep;
        // What the step takes away of the error: h f''/2 of f''/2.
        const double rest = 1 - kStep;
        measured[level].push_back({group.rows[i].probability,
                                   SquaredDistance(answer.data(), exact, dim) / (rest * rest),
                                   SquaredDistance(zeros.data(), exact, dim), SquaredDistance(output(0), exact, dim)});
      }
    }
  }
  const bool overflows = exact_report_.degenerate_rows > 0;  // all these rows see keys
  for (const auto& rows : measured) {
    errors_.push_back(overflows ? UnknownError(static_cast<int64_t>(rows.size()))
                                : EstimateError(rows, /*whole=*/false));
  }
  return absl::OkStatus();
}

int64_t AutoPilot::Bytes(const Options& options, const AttentionInputs& inputs, int num_threads) {
  constexpr int64_t kFloat = sizeof(float), kDouble = sizeof(double);
  const int64_t dim = kernels::Padded(inputs.queries.shape.dim), value_dim = inputs.values.shape.dim;
  const int64_t key_heads = inputs.keys.shape.num_heads, candidates = NumCandidates(options.num_rows, inputs);
  const auto levels = static_cast<int64_t>(options.levels.size());
  int64_t fits = 0;
  for (const int64_t level : options.levels) {
    fits += MeasurementBytes(FeaturesOf(level), inputs) + key_heads * (level + dim + 2) * dim * kDouble;
  }
  const int64_t units = key_heads * candidates * (dim * kFloat + (levels + 2) * kDouble);
  const int64_t find = num_threads * ((candidates + 2 * kMaxAnchors + dim + kSampledKeys) * dim * kFloat);
  // Every row may be a group of its own: zeros, the row, and of each level an anchor and a point.
  constexpr int64_t kBytesOfGroup = 512;
  const int64_t rows = options.num_rows * ((2 + 2 * levels) * (dim + value_dim) * kFloat + kBytesOfGroup);
  AttentionSpec exact;
  exact.mode = AttentionMode::kExact;
  return fits + units + find + rows + AttentionScratchBytes(exact, inputs, num_threads);
}

}  // namespace favor::internal
