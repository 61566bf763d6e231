#ifndef FAVOR_TESTS_LIB_PROJECTION_SAMPLE_H_
#define FAVOR_TESTS_LIB_PROJECTION_SAMPLE_H_

#include <cmath>

namespace favor {

// Mean and its standard error over independent observations.
class Sample {
 public:
  void Add(double value) {
    ++count_;
    sum_ += value;
    sum_of_squares_ += value * value;
  }
  double Mean() const { return sum_ / count_; }
  double StandardError() const { return std::sqrt((sum_of_squares_ / count_ - Mean() * Mean()) / count_); }
  // Standard errors between the mean and what it should be.
  double DistanceTo(double expected) const { return std::abs(Mean() - expected) / StandardError(); }

 private:
  double count_ = 0, sum_ = 0, sum_of_squares_ = 0;
};

}  // namespace favor

#endif  // FAVOR_TESTS_LIB_PROJECTION_SAMPLE_H_
