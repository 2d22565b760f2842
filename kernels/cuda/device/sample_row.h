// A row of logits on its way to a token: what the whole block, kSampleThreads threads, does with it. A thread
// takes its own columns in order, a warp joins by a butterfly, the block warp after warp: constants of the
// vocabulary.
#pragma once
#include "platform.h"

namespace pd::cuda {

constexpr i32 kSampleBins = 2048;
constexpr i32 kSampleWarps = kSampleThreads / 32;

struct Crossing {
  i32 bin;  // -1: none
  u32 bin_count;
  u64 count_before, mass_before, bin_mass;
};

// The block's shared memory.
struct SampleRoom {
  u64 masses[kSampleBins];
  u32 counts[kSampleBins];
  union {  // one use is over, by a barrier, before the other begins
    u64 joins[kSampleWarps];
    u64 lane_masses[32];
  };
  u32 lane_counts[32];
  Crossing crossing;
  u32 listed;
};
static_assert(sizeof(SampleRoom) <= kSampleSharedBytes, "the room that args.h promises");

template <class T, class Join>
DEVICE T block_join(SampleRoom& room, T value, Join join) {
  T* joins = reinterpret_cast<T*>(room.joins);
  value = warp_join(value, join);
  sync_block();  // all have read what the last one left
  if (lane_of(thread_x()) == 0) joins[warp_of(thread_x())] = value;
  sync_block();
  T all = joins[0];
  for (i32 w = 1; w < kSampleWarps; w++) all = join(all, joins[w]);
  return all;
}
template <class T>
DEVICE T block_sum(SampleRoom& room, T value) {
  return block_join(room, value, [](T a, T b) { return a + b; });
}
template <class T>
DEVICE T block_max(SampleRoom& room, T value) {
  return block_join(room, value, [](T a, T b) { return a > b ? a : b; });
}

// Orders as the float does, with the zeros equal.
DEVICE u32 ordered_key(float value) {
  const u32 bits = float_to_bits(value + 0.0f);
  return bits ^ (u32(i32(bits) >> 31) | 0x80000000u);
}

// One ordering of a row's columns: source / divisor.
struct Ranking {
  const float* source;
  float divisor;
  i32 columns;
  float max;   // of all
  double sum;  // of exp(value - max)
  i32 argmax;  // the lowest

  DEVICE float tempered(float z) const { return divisor == 1.0f ? z : divide(z, divisor); }
  DEVICE float value(i32 id) const { return tempered(source[id]); }

  template <class Visit>
  DEVICE void each(Visit visit) const {
    for (i32 first = thread_x() * 4; first < columns; first += kSampleThreads * 4) {
      const Float4 z = load4(source + first);
      visit(first, tempered(z.x));
      if (first + 1 < columns) visit(first + 1, tempered(z.y));
      if (first + 2 < columns) visit(first + 2, tempered(z.z));
      if (first + 3 < columns) visit(first + 3, tempered(z.w));
    }
  }
};

// Finds maximum, argmax and sum. False: nothing finite, or something infinite; max says which.
DEVICE bool measure(SampleRoom& room, Ranking& ranking) {
  u64 best = 0;
  ranking.each([&](i32 id, float value) {
    // A NaN is as bad as an infinity: no token may come of it.
    const float seen = value == value ? value : infinity();
    const u64 key = u64(ordered_key(seen)) << 32 | u32(~id);
    best = key > best ? key : best;
  });
  best = block_max(room, best);
  ranking.argmax = i32(~u32(best));
  const float largest = ranking.value(ranking.argmax);
  ranking.max = largest == largest ? largest : infinity();
  ranking.sum = 0.0;
  if (ranking.max == infinity() || ranking.max == -infinity()) return false;
  double sum = 0.0;
  ranking.each([&](i32, float value) { sum += double(exponential(value - ranking.max)); });
  ranking.sum = block_sum(room, sum);
  return true;
}

// The end of a prefix of the ranking (value descending, id ascending).
struct Cut {
  u32 key;  // kept above it, and at it up to the id
  i32 id;
  double least;  // least value - max

  DEVICE bool keeps(float value, i32 value_id, float max) const {
    const u32 own = ordered_key(value);
    return (own > key || (own == key && value_id <= id)) && double(value) - double(max) >= least;
  }
};
DEVICE Cut no_cut() { return Cut{0, 0x7fffffff, -double(infinity())}; }
DEVICE Cut shorter(Cut a, Cut b) {
  const bool a_ends_first = a.key > b.key || (a.key == b.key && a.id < b.id);
  Cut cut = a_ends_first ? a : b;
  cut.least = a.least > b.least ? a.least : b.least;
  return cut;
}

}  // namespace pd::cuda
