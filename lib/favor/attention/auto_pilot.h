#ifndef FAVOR_ATTENTION_AUTO_PILOT_H_
#define FAVOR_ATTENTION_AUTO_PILOT_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/error_estimate.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

// Foretells how wrong first-order softmax about anchors would be in a bidirectional call, for several numbers of
// anchors, without running it: what a few rows would be is computed beside what they are. With f(x) the exact output of
// a query x, anchor b of query q answers f(b) + f'(b)(q - b), and that is (f(b + h (q - b)) - f(b)) / h + f(b) for
// small h: all of it is exact attention of a few queries more. In two jobs, one after the other: PlanFit(), PlanRows().
// Thread-compatible.
class AutoPilot {
 public:
  struct Options {
    double scale = 1;
    std::vector<int64_t> levels;  // numbers of anchors
    int64_t num_rows = 32;        // in all heads together
    uint64_t seed = 0;
  };

  // Keys of a sequence that stand for all of them where it has more: the error and the exact answer are averages over
  // the same keys, so their quotient changes little with that.
  static constexpr int64_t kMostKeys = 1024;

  // What is behind `inputs`, which are valid, and `cancellation` must outlive the jobs.
  AutoPilot(Options options, const AttentionInputs& inputs, const Cancellation* cancellation);

  // Upper bound of the memory it takes, in bytes, the jobs' scratch included.
  static int64_t Bytes(const Options& options, const AttentionInputs& inputs, int num_threads);

  // Finds anchors and chooses rows.
  Job PlanFit();
  // Computes the rows. To be called when that job has ended.
  absl::StatusOr<Job> PlanRows();
  // One for each level, in their order. Valid when that job has ended.
  const std::vector<ErrorEstimate>& errors() const { return errors_; }
  // Those that such a call would measure of its queries and keys, of one level.
  std::shared_ptr<const Statistics> statistics(size_t level) const { return statistics_[level]; }

 private:
  // The queries of one key head: rows [begin, end) of its numbering are those of one sequence and query head.
  struct Segment {
    int64_t begin, end, batch, head;
  };
  // What is known of one key head.
  struct Unit {
    int64_t key_head = 0;
    std::vector<Segment> queries, keys;
    AlignedBuffer<float> candidates;            // queries that may be taken, [candidate][Padded(head_dim)]
    std::vector<int64_t> positions;             // of candidates, in the numbering of `queries`
    std::vector<std::vector<int64_t>> anchors;  // nearest to a candidate, [level][candidate]
    std::vector<double> variances;  // of the logits that are left beside the anchor, at the level in the middle
  };
  struct Row {
    int64_t unit, candidate;
    double probability;
  };
  // Rows of one sequence and head. Its queries are a query of zeros, whose output is the mean of the values; the rows;
  // and for each level the anchors of these rows, then the points between a row and its anchor.
  struct Group {
    int64_t batch = 0, head = 0, unit = 0;
    std::vector<Row> rows;
    struct Level {
      std::vector<int64_t> anchors;               // distinct ones, by number
      std::vector<int64_t> anchor_of;             // [row] index into `anchors`
      int64_t first_anchor = 0, first_point = 0;  // among the queries
    };
    std::vector<Level> levels;
    AlignedBuffer<float> queries, outputs;  // [num_queries][head_dim], [num_queries][value_dim]
    int64_t num_queries = 0;
  };

  static const Segment& SegmentOf(const std::vector<Segment>& segments, int64_t position);
  absl::StatusOr<AlignedBuffer<float>> Gather(const char* name, const TensorView& tensor,
                                              const std::vector<Segment>& segments,
                                              const std::vector<int64_t>& positions) const;
  absl::Status FindAnchors(Unit* unit) const;
  absl::StatusOr<double> KeyVariance(const Unit& unit) const;
  void ChooseRows();
  std::vector<Group> MakeGroups() const;
  absl::Status FillQueries(Group* group) const;
  AttentionOperands OperandsOf(Group& group) const;
  absl::Status Estimate();

  const Options options_;
  const AttentionInputs inputs_;
  const Cancellation* const cancellation_;
  AttentionSpec exact_spec_;
  std::vector<std::shared_ptr<Statistics>> statistics_;  // [level]
  std::vector<Unit> units_;
  std::vector<Row> rows_;
  std::vector<Group> groups_;
  AttentionReport exact_report_;
  std::vector<ErrorEstimate> errors_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_AUTO_PILOT_H_
