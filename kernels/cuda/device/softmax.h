// The running softmax of attention: a split's own, and the merge of splits, in one place so that a merge
// gives the same bits in whichever kernel it happens.
#pragma once
#include "platform.h"

namespace pd::cuda {

// Maximum and sum over keys; an empty one has a maximum of -infinity and a sum of 0.
struct SoftmaxState {
  float max, sum;
};

// 2^(value - max), where a row that has seen no key has no maximum to subtract.
DEVICE float softmax_weight(float value, float max) {
  return exp2_approx(value - (max == -infinity() ? 0.0f : max));
}

// Factors of what is so far and of what follows it.
struct MergeWeights {
  float so_far, next;
};

// Takes the next split in. An empty one must not be taken: it changes nothing.
DEVICE MergeWeights merge_split(SoftmaxState& so_far, SoftmaxState next) {
  const float max = larger(so_far.max, next.max);
  const MergeWeights weights{softmax_weight(so_far.max, max), softmax_weight(next.max, max)};
  so_far.sum = fused(so_far.sum, weights.so_far, next.sum * weights.next);
  so_far.max = max;
  return weights;
}
DEVICE float merge_value(MergeWeights weights, float so_far, float next) {
  return fused(so_far, weights.so_far, next * weights.next);
}

DEVICE float inverse_sum(SoftmaxState state) { return state.sum > 0.0f ? divide(1.0f, state.sum) : 0.0f; }

// Adding zero makes -0, which a row may have or not by where its tile ends, +0.
DEVICE float finished(float value, float inverse) { return value * inverse + 0.0f; }

}  // namespace pd::cuda
