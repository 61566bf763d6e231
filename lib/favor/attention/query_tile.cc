#include "favor/attention/query_tile.h"

#include <algorithm>
#include <cmath>

#include "favor/attention/not_finite.h"
#include "favor/kernels/bfloat16.h"
#include "favor/kernels/exponential.h"
#include "favor/kernels/fused_weights.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/transform.h"
#include "favor/kernels/value_maps.h"

namespace favor::internal {

using kernels::kTile;

namespace {

// Sums of as many as there may be stay finite.
constexpr float kMaxQueryNorm4 = 1e28f;

// The published softmax features carry 1/sqrt(m), the other maps' do not: next to them the causal epsilon weighs
// sqrt(m) more. Generalised and no_projection features are used as they are.
float CausalEpsilon(const FeatureSpec& spec, bool causal, bool stabilised, int64_t num_features) {
  if (!causal || !spec.epsilon_parity.has_value()) return 0;
  return spec.epsilon_parity->causal_epsilon * (stabilised ? std::sqrt(static_cast<double>(num_features)) : 1.0);
}

// sums[t] = sum_r 2^(u[r][t] - maxima[t]).
void ColumnPowerSums(const float* u, int64_t rows, const float* maxima, float* sums) {
  std::fill_n(sums, kTile, 0.0f);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t t = 0; t < kTile; ++t) sums[t] += std::exp2(u[r * kTile + t] - maxima[t]);
  }
}

}  // namespace

QueryTile::QueryTile(const FeatureMap* map, const FeatureSpec& spec, const Options& options, int64_t head_dim,
                     int64_t value_dim, ScratchLayout* layout)
    : map_(map),
      parity_(spec.epsilon_parity),
      allowed_(parity_.has_value() && spec.kernel == Kernel::kGeneralized ? kernels::Denominators::kOfEitherSign
                                                                          : kernels::Denominators::kPositive),
      bfloat16_(options.bfloat16),
      stabilised_(spec.kernel == Kernel::kSoftmax || spec.kernel == Kernel::kSoftmaxRegularized),
      softmax_queries_(spec.kernel == Kernel::kNoProjection),
      by_prefix_(options.causal && stabilised_ && parity_.has_value() && parity_->prefix_stabiliser),
      causal_epsilon_(CausalEpsilon(spec, options.causal, stabilised_, map->num_features())),
      head_dim_(head_dim),
      value_stride_(kernels::Padded(value_dim)) {
  rows_ = layout->Take(kTile * kernels::Padded(head_dim));
  x_ = layout->Take((map->transforms() ? kernels::PanelRowCount(head_dim) : head_dim) * kTile);
  input_ = map->transforms() ? layout->Take(head_dim * kTile) : x_;
  features_ = layout->Take(map->feature_rows() * kTile);
  references_ = layout->Take(kTile);
  const int64_t num_pairs = bfloat16_ ? kernels::NumPairs(map->num_features()) : 0;
  sum_pairs_ = layout->TakePairs(num_pairs * value_stride_);
  weight_pairs_ = layout->TakePairs(num_pairs * kTile);
  scores_ = layout->Take(options.causal || options.scores ? kTile * kTile : 0);
  sums_ = layout->Take(kTile * value_stride_);
  denominators_ = layout->Take(kTile);
  half_norms_ = layout->Take(kTile);
  offset_ = layout->Take(kTile);
  epsilon_ = layout->Take(kTile);
  feature_totals_ = layout->Take(kTile);
  epsilon_scale_ = layout->Take(kTile);
  row_factors_ = layout->Take(parity_.has_value() || map->transforms() ? map->num_features() : 0);
  row_maxima_ = layout->Take(map->transforms() ? map->num_features() : 0);
  row_sums_ = layout->Take(map->transforms() ? map->num_features() : 0);
  running_total_ = layout->Take(value_stride_);
  if (options.jackknife) {
    const bool complete = !options.causal && !bfloat16_ && !parity_.has_value();
    jackknife_.emplace(map->num_features(), value_stride_, complete, layout);
  }
}

absl::Status QueryTile::Load(const kernels::Rows& queries, const Origin& where) {
  key_head_ = where.key_head;
  count_ = queries.count;
  const int64_t stride = kernels::Padded(head_dim_);
  const int64_t finite = kernels::PackRows(queries, map_->input_multiplier(), /*clamp=*/true, rows_, stride);
  if (finite < count_) return NotFiniteError("queries", queries, finite, where.batch, where.head, where.position);
  const HeadTransforms::Head* transform = map_->transforms() ? &map_->transform(key_head_) : nullptr;
  if (transform != nullptr && transform->query_factors != nullptr) {
    kernels::ShiftScaleRows(rows_, count_, stride, head_dim_, nullptr, transform->query_factors);
  }
  kernels::Transpose(rows_, stride, count_, head_dim_, transform != nullptr && transform->queries ? input_ : x_, kTile);
  if (transform != nullptr) {
    if (transform->queries) kernels::Project(*transform->queries, input_, kTile, kTile, nullptr, x_);
    kernels::ClampValues(x_, head_dim_ * kTile);
  }
  if (parity_.has_value()) {
    kernels::SquaredNorms(x_, head_dim_, kTile, half_norms_);
    for (int64_t t = 0; t < kTile; ++t) half_norms_[t] *= map_->half_norm_factor();
  }
  return absl::OkStatus();
}

void QueryTile::Weigh(const HeadState& state, float stabiliser) {
  if (map_->exponential() && !parity_.has_value()) return WeighExponential(state);
  std::fill_n(references_, kTile, 0.0f);
  map_->Map(key_head_, x_, features_);
  if (parity_.has_value()) {
    WeighWithEpsilon(state, stabiliser);
  } else {
    kernels::ColumnDots(features_, map_->num_features(), state.key_sums, denominators_);
  }
}

void QueryTile::WeighRows(const float* maxima, const float* key_sums) {
  if (map_->fused()) {
    kernels::GuessQueryMaxima(x_, head_dim_, kTile, kTile, maxima, map_->num_features(), references_);
    const bool good = kernels::ProjectQueryWeights(map_->projector(key_head_), x_, kTile, kernels::Padded(count_),
                                                   maxima, key_sums, references_, features_, denominators_);
    if (good) return;
  }
  map_->Map(key_head_, x_, features_);
  kernels::QueryWeights(features_, map_->num_features(), maxima, key_sums, map_->fused(), references_, denominators_);
}

void QueryTile::WeighExponential(const HeadState& state) {
  if (!map_->transforms() || map_->transform(key_head_).row_factors == nullptr) {
    return WeighRows(state.maxima, state.key_sums);
  }
  // What feature r weighs is a power of two, which moves exponents exactly, times a factor.
  const HeadTransforms::Head& transform = map_->transform(key_head_);
  const float* factors = transform.row_factors + map_->first_row();
  const float* exponents = transform.row_exponents + map_->first_row();
  for (int64_t first = 0; first < map_->num_features(); first += map_->num_rows()) {
    for (int64_t r = 0; r < map_->num_rows(); ++r) {
      row_factors_[first + r] = factors[r];
      row_maxima_[first + r] = state.maxima[first + r] + exponents[r];
      row_sums_[first + r] = state.key_sums[first + r] * factors[r];
    }
  }
  WeighRows(row_maxima_, row_sums_);
  kernels::ScaleTileRows(features_, map_->num_features(), row_factors_);
}

// The published formula (performer-pytorch 1.1.4), from a state without epsilon: with kappa the key stabiliser,
//   f_ir = exp(log-feature_r(q_i) - mu_i) + epsilon,   Q_i = sum_r f_ir,
//   out_i = [sum_r f_ir e^(M_r - kappa) S_r + epsilon Q_i V] / [sum_r f_ir e^(M_r - kappa) Z_r + epsilon Q_i n + c Q_i]
// with V the sum and n the number of values, c the causal epsilon. Softmax kernels: mu_i = max_r w_r.q_i (without
// |q|^2/2) and kappa = max w_r.k_j. The other maps have neither; for the exponential ones mu_i and kappa are then mere
// common factors that keep float32 in range, epsilons scaled along: at least 0 where there is an epsilon, which must
// not overflow. That of a no_projection query is scaled by the sum of its features, of which f_ir has the softmax, and
// so does not. A prefix stabiliser makes kappa_i of kappa: all is computed with one kappa, the epsilons of query i
// times e^(kappa_i - kappa).
void QueryTile::WeighWithEpsilon(const HeadState& state, float stabiliser) {
  const int64_t rows = map_->num_features();
  const float epsilon = parity_->feature_epsilon;
  const bool bounded = stabilised_ || softmax_queries_ || epsilon == 0;
  std::fill_n(offset_, kTile, bounded ? kernels::kMaskedExponent : 0.0f);
  std::fill_n(epsilon_, kTile, epsilon);
  std::fill_n(epsilon_scale_, kTile, 1.0f);
  std::fill_n(row_factors_, rows, 1.0f);
  key_epsilon_ = epsilon;
  key_unit_ = 1;
  if (map_->exponential()) {
    kernels::ColumnMaxima(features_, rows, offset_);
    float kappa = stabiliser;
    if (stabilised_) {
      for (int64_t t = 0; t < kTile; ++t) offset_[t] += half_norms_[t];
    } else {
      const bool has_epsilon = epsilon > 0 || causal_epsilon_ > 0;
      if (epsilon > 0 && softmax_queries_) {
        ColumnPowerSums(features_, rows, offset_, epsilon_);
        for (int64_t t = 0; t < kTile; ++t) epsilon_[t] *= epsilon;
      } else if (epsilon > 0) {
        for (int64_t t = 0; t < kTile; ++t) epsilon_[t] = epsilon * std::exp2(-offset_[t]);
      }
      kappa =
          std::max(has_epsilon ? 0.0f : kernels::kMaskedExponent, *std::max_element(state.maxima, state.maxima + rows));
      key_unit_ = has_epsilon ? std::exp2(-kappa) : 0;
      key_epsilon_ = epsilon * key_unit_;
    }
    for (int64_t r = 0; r < rows; ++r) row_factors_[r] = std::exp2(state.maxima[r] - kappa);
  }
  kernels::StabilisedQueryWeights(features_, rows, map_->exponential(), offset_, epsilon_, row_factors_, state.key_sums,
                                  denominators_, feature_totals_);
}

void QueryTile::RaiseEpsilons(const float* stabilisers, int64_t begin) {
  // Weights are at most 2^32: past this, float32 sees nothing beside an epsilon of 1e-4.
  constexpr float kMost = 72;
  for (int64_t t = begin; t < kTile; ++t) {
    epsilon_scale_[t] = std::exp2(std::min(stabilisers[t] - stabilisers[begin], kMost));
  }
}

void QueryTile::AddEpsilonTerms(int64_t t, int64_t count, const float* total) {
  const float all = feature_totals_[t] * epsilon_scale_[t];
  if (count == 0) {  // no visible key: degenerate, whatever the causal epsilon makes of it
    denominators_[t] = 0;
    return;
  }
  denominators_[t] += key_epsilon_ * all * static_cast<float>(count) + causal_epsilon_ * key_unit_ * all;
  for (int64_t n = 0; n < value_stride_; ++n) sums_[t * value_stride_ + n] += key_epsilon_ * all * total[n];
}

void QueryTile::ReadStatePairs(const HeadState& state, int64_t begin, int64_t end) {
  const int64_t rows = map_->num_features();
  if (paired_state_ != &state || paired_version_ != state.version) {
    kernels::PairRows(state.value_sums, value_stride_, rows, value_stride_, sum_pairs_, value_stride_);
    paired_state_ = &state;
    paired_version_ = state.version;
  }
  kernels::PairRows(features_, kTile, rows, kernels::Padded(count_), weight_pairs_, kTile);
  kernels::MatMulPairs({weight_pairs_ + begin, 1, kTile}, {sum_pairs_, value_stride_}, sums_ + begin * value_stride_,
                       value_stride_, end - begin, kernels::NumPairs(rows), value_stride_, /*accumulate=*/false);
}

void QueryTile::Moments(const HeadState& state, int64_t begin, int64_t end, kernels::RowMoments* moments) {
  jackknife_->Moments(features_, state.key_sums, sums_, denominators_, begin, end, moments);
  alignas(64) float norms[kTile];
  kernels::SquaredNorms(x_, head_dim_, kTile, norms);
  for (int64_t t = begin; t < end; ++t) moments[t].query_norm4 = std::min(norms[t] * norms[t], kMaxQueryNorm4);
}

// The same multiply-adds in the same order as in one product, so that who asks for moments gets the same bits.
void QueryTile::ReadStateByBlocks(const HeadState& state, int64_t begin, int64_t end) {
  for (int64_t b = 0; b < BlockJackknife::kNumBlocks; ++b) {
    const int64_t first = jackknife_->Begin(b), rows = jackknife_->Begin(b + 1) - first;
    kernels::MatMul({features_ + first * kTile + begin, 1, kTile},
                    {state.value_sums + first * value_stride_, value_stride_}, sums_ + begin * value_stride_,
                    value_stride_, end - begin, rows, value_stride_, /*accumulate=*/b > 0);
    jackknife_->Keep(b, sums_, begin, end);
  }
}

void QueryTile::ReadState(const HeadState& state, int64_t begin, int64_t end) {
  if (state.count == 0) {  // the start of a causal call, or no keys
    std::fill_n(sums_ + begin * value_stride_, (end - begin) * value_stride_, 0.0f);
    for (int64_t b = 0; jackknife_ && b < BlockJackknife::kNumBlocks; ++b) jackknife_->Keep(b, sums_, begin, end);
    return;
  }
  if (jackknife_) ReadStateByBlocks(state, begin, end);
  if (jackknife_ && !bfloat16_) return;
  if (bfloat16_) return ReadStatePairs(state, begin, end);
  kernels::MatMul({features_ + begin, 1, kTile}, {state.value_sums, value_stride_}, sums_ + begin * value_stride_,
                  value_stride_, end - begin, map_->num_features(), value_stride_, /*accumulate=*/false);
}

void QueryTile::Read(const HeadState& state) {
  Weigh(state, state.stabiliser);
  ReadState(state, 0, count_);
  if (!parity_.has_value()) return;
  for (int64_t t = 0; t < count_; ++t) AddEpsilonTerms(t, state.count, state.total);
}

// By blocks of features as ReadStateByBlocks(), for the same reason.
void QueryTile::ReadKeys(const HeadState& state, const KeyTile& keys) {
  Weigh(state, state.stabiliser);
  const int64_t num_blocks = jackknife_ ? BlockJackknife::kNumBlocks : 1;
  for (int64_t b = 0; b < num_blocks; ++b) {
    const int64_t first = jackknife_ ? jackknife_->Begin(b) : 0;
    const int64_t rows = (jackknife_ ? jackknife_->Begin(b + 1) : map_->num_features()) - first;
    kernels::MatMul({keys.weights() + first * kTile, 1, kTile}, {features_ + first * kTile, kTile}, scores_, kTile,
                    keys.count(), rows, kernels::Padded(count_), /*accumulate=*/b > 0);
    kernels::MatMul({scores_, 1, kTile}, {keys.values(), value_stride_}, sums_, value_stride_, count_, keys.count(),
                    value_stride_, /*accumulate=*/false);
    if (jackknife_) jackknife_->Keep(b, sums_, 0, count_);
  }
}

void QueryTile::ReadCausal(const HeadState& state, const KeyTile& keys, int64_t begin, int64_t end, int64_t key_end) {
  Weigh(state, by_prefix_ ? keys.stabilisers()[begin] : state.stabiliser);
  if (by_prefix_) RaiseEpsilons(keys.stabilisers(), begin);
  ReadState(state, begin, end);
  AddScores(keys, begin, end, key_end);
  if (!parity_.has_value()) return;
  std::copy_n(state.total, value_stride_, running_total_);
  for (int64_t t = begin; t < end; ++t) {
    if (t < key_end) {
      for (int64_t n = 0; n < value_stride_; ++n) running_total_[n] += keys.values()[t * value_stride_ + n];
    }
    AddEpsilonTerms(t, state.count + std::min(t + 1, key_end) - begin, running_total_);
  }
}

// scores[j][t] = sum_r k_r[j] p_r[t]; key j is visible to query t >= j. Both products go by squares of kPad, of which
// those above the diagonal are left out.
void QueryTile::AddScores(const KeyTile& keys, int64_t begin, int64_t end, int64_t key_end) {
  constexpr int64_t kSquare = kernels::kPad;
  for (int64_t j = begin, next; j < key_end; j = next) {
    const int64_t column = j / kSquare * kSquare;
    next = std::min(column + kSquare, key_end);
    float* row = scores_ + j * kTile;
    kernels::MatMul({keys.weights() + j, 1, kTile}, {features_ + column, kTile}, row + column, kTile, next - j,
                    map_->num_features(), kernels::Padded(end) - column, /*accumulate=*/false);
    for (; j < next; ++j, row += kTile) {
      std::fill(row + column, row + j, 0.0f);
      for (int64_t t = j; t < end; ++t) denominators_[t] += row[t];
    }
  }
  for (int64_t t = begin, next; t < end; t = next) {
    next = std::min(t / kSquare * kSquare + kSquare, end);
    const int64_t num_keys = std::min(next, key_end) - begin;
    kernels::MatMul({scores_ + begin * kTile + t, 1, kTile}, {keys.values() + begin * value_stride_, value_stride_},
                    sums_ + t * value_stride_, value_stride_, next - t, num_keys, value_stride_, /*accumulate=*/true);
  }
}

int64_t QueryTile::Store(int64_t begin, const kernels::MutableRows& out) const {
  return kernels::StoreNormalised(sums_ + begin * value_stride_, value_stride_, denominators_ + begin, out, allowed_);
}

}  // namespace favor::internal
