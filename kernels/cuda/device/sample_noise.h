// The noise of a draw: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011) of (id, position, 0, 0), as Gumbel
// noise.
#pragma once
#include "sample_row.h"

namespace pd::cuda {

struct Noise {
  u64 seed;
  i32 position;

  // Word 0 of the four.
  DEVICE u32 word(i32 id) const {
    u32 key0 = u32(seed), key1 = u32(seed >> 32);
    u32 c0 = u32(id), c1 = u32(position), c2 = 0, c3 = 0;
#pragma unroll
    for (i32 round = 0; round < 10; round++) {
      const u32 low0 = 0xD2511F53u * c0, high0 = multiply_high(0xD2511F53u, c0);
      const u32 low1 = 0xCD9E8D57u * c2, high1 = multiply_high(0xCD9E8D57u, c2);
      c0 = high1 ^ c1 ^ key0;
      c1 = low1;
      c2 = high0 ^ c3 ^ key1;
      c3 = low0;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    return c0;
  }
  DEVICE double score(u32 word_of_id, float value) const {
    const double v = (double(word_of_id) + 0.5) * (1.0 / 4294967296.0);
    return double(value) - logarithm(-logarithm(1.0 - v));
  }
};

// The kept column with the largest value + noise, the lowest on ties. The ranking's argmax is kept.
//
// A column beats a score B only if -log(1 - v) <= exp(value - B), and -log(1 - v) >= v >= 2^-33: most are out
// by one comparison, most others by one hash. B is rounded down and the bound up by more than any rounding
// here.
DEVICE i32 draw(SampleRoom& room, const Ranking& ranking, const Cut& cut, Noise noise) {
  i32 best = ranking.argmax;
  double best_score = noise.score(noise.word(best), ranking.max);
  float floor = round_down(best_score);
  ranking.each([&](i32 id, float value) {
    const float above = value - floor;
    if (!(above >= -23.0f) || !cut.keeps(value, id, ranking.max)) return;
    const u32 word = noise.word(id);
    const float bound = exponential(above < 1.0f ? above : 1.0f) * 1.001f;
    if (bound < float(word) * (1.0f / 4294967296.0f)) return;
    const double score = noise.score(word, value);
    if (score < best_score || (score == best_score && id >= best)) return;
    best = id;
    best_score = score;
    floor = round_down(score);
  });
  const double top = block_max(room, best_score);
  return i32(~block_max(room, best_score == top ? ~u32(best) : 0u));
}

}  // namespace pd::cuda
