#ifndef FAVOR_ATTENTION_QUERY_TILE_H_
#define FAVOR_ATTENTION_QUERY_TILE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "favor/attention/block_jackknife.h"
#include "favor/attention/head_state.h"
#include "favor/attention/key_tile.h"
#include "favor/attention/scratch.h"
#include "favor/feature_map/feature_map.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

// Up to kTile queries on their way through an HeadState to outputs:
//   out_i = sum_r p_ir S_r / sum_r p_ir Z_r,  p_ir = 2^(log-feature_r(q_i) + M_r - about their maximum over r).
// With epsilon parity, the published implementations' formula instead (query_tile.cc). Thread-compatible.
class QueryTile {
 public:
  struct Options {
    bool causal = false;
    bool scores = false;     // of keys and queries, for ReadKeys()
    bool bfloat16 = false;   // of the products of the read
    bool jackknife = false;  // Moments() will be asked for
  };
  QueryTile(const FeatureMap* map, const FeatureSpec& spec, const Options& options, int64_t head_dim, int64_t value_dim,
            ScratchLayout* layout);

  struct Origin {
    int64_t batch, head, key_head, position;
  };
  absl::Status Load(const kernels::Rows& queries, const Origin& where);

  // Outputs of all queries from the keys in the state.
  void Read(const HeadState& state);

  // The same from the keys of one tile, all that the state has counted, in the other order of the products: keys with
  // queries, then with values. Without epsilon parity or bfloat16.
  void ReadKeys(const HeadState& state, const KeyTile& keys);

  // Outputs of queries [begin, end) from the keys in the state and those of `keys` from `begin` up to their own
  // position (and below key_end <= end). Query and key tiles start at the same position.
  void ReadCausal(const HeadState& state, const KeyTile& keys, int64_t begin, int64_t end, int64_t key_end);

  // Divides queries from `begin` on by their denominators and writes them to the rows of `out`; returns how many are
  // degenerate.
  int64_t Store(int64_t begin, const kernels::MutableRows& out) const;

  // Of the outputs of queries [begin, end), which were read from `state` last, to moments[begin ...]: BlockJackknife.
  void Moments(const HeadState& state, int64_t begin, int64_t end, kernels::RowMoments* moments);

  int64_t count() const { return count_; }

  // What Store() would divide, for callers that add several parts first: out = sums / denominators, both on the scale
  // 2^-reference. By query of the tile.
  const float* sums() const { return sums_; }                  // [kTile][value_stride]
  const float* denominators() const { return denominators_; }  // [kTile]
  const float* references() const { return references_; }      // [kTile], whole numbers
  int64_t value_stride() const { return value_stride_; }

 private:
  // stabiliser: of the keys, for epsilon parity.
  void Weigh(const HeadState& state, float stabiliser);
  void WeighExponential(const HeadState& state);
  void WeighRows(const float* maxima, const float* key_sums);
  void WeighWithEpsilon(const HeadState& state, float stabiliser);
  // Puts epsilons of queries from `begin` on, weighed with the stabiliser of query `begin`, on the scale of their own.
  void RaiseEpsilons(const float* stabilisers, int64_t begin);
  void ReadState(const HeadState& state, int64_t begin, int64_t end);
  void ReadStateByBlocks(const HeadState& state, int64_t begin, int64_t end);
  void ReadStatePairs(const HeadState& state, int64_t begin, int64_t end);
  void AddScores(const KeyTile& keys, int64_t begin, int64_t end, int64_t key_end);
  // Adds what epsilon contributes to query t: epsilon times the plain sum over `count` values, `total`.
  void AddEpsilonTerms(int64_t t, int64_t count, const float* total);

  const FeatureMap* map_;
  std::optional<EpsilonParity> parity_;
  // As published signed maps are divided by denominators of either sign: zeros would be better than a row that chance
  // has made of any size, but they are not what models were trained on.
  kernels::Denominators allowed_;
  bool bfloat16_;
  bool stabilised_;       // parity of the softmax kernels: stabilisers as published
  bool softmax_queries_;  // features of no_projection: those of a query add up to 1 before any epsilon
  bool by_prefix_;        // each query's own: of the keys up to it
  float causal_epsilon_;  // times sum_r f in the denominator; 0 unless causal
  int64_t head_dim_;
  int64_t value_stride_;
  int64_t key_head_ = 0;
  int64_t count_ = 0;
  // Whose sums sum_pairs_ holds.
  const HeadState* paired_state_ = nullptr;
  int64_t paired_version_ = 0;
  float key_epsilon_ = 0;   // epsilon on the scale of the state's weights
  float key_unit_ = 1;      // 1 on that scale
  float* rows_;             // [kTile][Padded(head_dim)]
  float* input_;            // [head_dim][kTile], what is to be transformed to x_
  float* x_;                // [head_dim][kTile]
  float* features_;         // [feature_rows()][kTile]
  float* references_;       // [kTile] the exponent that weights are relative to
  uint32_t* sum_pairs_;     // [num_features / 2][value_stride] bfloat16, the state's sums
  uint32_t* weight_pairs_;  // [num_features / 2][kTile] bfloat16
  float* scores_;           // [kTile][kTile], [key][query]
  float* sums_;             // [kTile][value_stride] numerators
  float* denominators_;     // [kTile]
  float* half_norms_;       // [kTile] parity: |q|^2/2 in base 2
  float* offset_;           // [kTile] parity
  float* epsilon_;          // [kTile] parity
  float* feature_totals_;   // [kTile] parity: sum_r f
  float* epsilon_scale_;    // [kTile] parity: what a query's epsilons are multiplied by
  float* row_factors_;      // [num_features] parity: 2^(M_r - stabiliser); statistics: what feature r weighs
  float* row_maxima_;       // [num_features] statistics: M_r and the exponent of what feature r weighs
  float* row_sums_;         // [num_features] statistics: Z_r times row_factors_
  float* running_total_;    // [value_stride] parity, causal: sum of values up to a query
  std::optional<BlockJackknife> jackknife_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_QUERY_TILE_H_
