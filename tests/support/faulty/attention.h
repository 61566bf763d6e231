#ifndef FAVOR_TESTS_SUPPORT_FAULTY_ATTENTION_H_
#define FAVOR_TESTS_SUPPORT_FAULTY_ATTENTION_H_

#include "tests/support/implementation.h"

namespace favor::testing {

// Doubles, each with one classic fault of published implementations and otherwise right. They show that the laws can
// fail.

// A causal mask off by one: position i also sees key i + 1.
AttentionImplementation AttentionThatSeesOneKeyAhead();

// Padding masked in the values only, as in performer-pytorch: masked keys still count in the denominator.
AttentionImplementation AttentionThatMasksOnlyValues();

// FAVOR+ as performer-pytorch has it: its epsilons weigh keys that attention does not, and in causal calls the
// stabiliser taken over ALL keys lets the future through. One head per key head, one projection for all.
AttentionImplementation AttentionOfTheReference();

// Causal FAVOR+ in float32 and blocks of 64 keys, each feature stabilised by its largest value in the whole block: a
// loud key late in a block underflows those before it. One head per key head, one projection for all.
AttentionImplementation AttentionWithOneMaximumPerBlock();

// Query head h reads key head h % key heads.
AttentionImplementation AttentionThatInterleavesGroupedHeads();

// A key's place decides its weight: what a position embedding left on would do.
AttentionImplementation AttentionThatWeighsKeysByPosition();

// A constant added to every denominator.
AttentionImplementation AttentionWithABiasedDenominator();

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_FAULTY_ATTENTION_H_
