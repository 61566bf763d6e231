#ifndef FAVOR_TESTS_SUPPORT_FAULTY_ATTENTION_H_
#define FAVOR_TESTS_SUPPORT_FAULTY_ATTENTION_H_

#include <cstdint>

#include "tests/support/implementation.h"

namespace favor::testing {

// Doubles, each with one classic fault of published implementations and otherwise right. They show that the laws can
// fail.

// A causal mask off by one: position i also sees key i + 1.
AttentionImplementation AttentionThatSeesOneKeyAhead();

// Padding masked in the values only, as in performer-pytorch: masked keys still count in the denominator.
AttentionImplementation AttentionThatMasksOnlyValues();

// Causal FAVOR+ as performer-pytorch has it: its epsilons and the stabiliser taken over ALL keys let the future through.
AttentionImplementation AttentionOfTheReference();

// Causal FAVOR+ in float32 and blocks of 64 keys, each feature stabilised by its largest value in the whole block: a
// loud key late in a block underflows those before it.
AttentionImplementation AttentionWithOneMaximumPerBlock();

// Query head h reads key head h % key heads.
AttentionImplementation AttentionThatInterleavesGroupedHeads();

// Causal sums carried from one sequence of a batch to the next.
AttentionImplementation AttentionThatForgetsToReset();

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_FAULTY_ATTENTION_H_
