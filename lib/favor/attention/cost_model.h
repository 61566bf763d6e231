#ifndef FAVOR_ATTENTION_COST_MODEL_H_
#define FAVOR_ATTENTION_COST_MODEL_H_

namespace favor {

// How long ways to compute attention take: seconds of one thread for an operation, by what it is part of. What counts
// is how they compare. The defaults are those of one machine, a regression over some hundred calls: decisions made with
// them are the same everywhere.
struct CostModel {
  // Exact attention.
  double exact = 1.4e-11;   // a nominal operation, two to a multiplication and its addition
  double pair = 3.6e-10;    // the weight of a query and a key
  double packing = 1.5e-9;  // an element of keys or values made ready for a group of queries
  // First-order softmax about anchors.
  double fold = 1.9e-11;     // a nominal operation of a key at an anchor
  double read = 1.3e-11;     // a nominal operation of a query
  double key = 1.2e-9;       // an element of a key or value made ready
  double query = 1.9e-9;     // an element of a query made ready
  double mean = 3e-7;        // a coordinate of a head's samples, where only their mean is needed
  double sample = 1.5e-7;    // a coordinate of a head's samples
  double metric = 5.5e-8;    // an entry of the covariance that a head's anchors are found by
  double fit = 1.6e-7;       // a coordinate of an anchor to be found
  double head = 1.5e-5;      // a head
  double overhead = 1.5e-5;  // a stage of a call
};

// The defaults brought to the speed of this machine and its kernels, by small calls timed on the calling thread. Takes
// some 30 ms of it.
CostModel MeasureCosts();

}  // namespace favor

#endif  // FAVOR_ATTENTION_COST_MODEL_H_
