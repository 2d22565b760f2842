// Arithmetic of one tile of keys, for the lanes of either instruction set. Included inside an anonymous
// namespace, after the lanes.
//
// A K load is 16 positions x 2 consecutive dims, a V load 16 dims x 2 consecutive positions; the first of
// each pair is the low half of its 32 bits. A band of rows keeps R x groups accumulators in registers: every
// load of K or V serves R rows, every spread of q or p serves `groups` registers.

#ifdef PD_WIDE_BANDS
constexpr int kBandRows = 12;
#else
constexpr int kBandRows = 6;
#endif
constexpr bool kScoresFirst = false;
constexpr bool kShrinksInMix = false;

// Scores become weights relative to `top`; returns lanes of their sum.
inline Vec weigh_row(float* s, Vec top, Vec sum) {
  Vec p[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    p[i] = power(sub(load(s + 16 * i), top));
    store(s + 16 * i, p[i]);
  }
  return add(sum, add(add(p[0], p[1]), add(p[2], p[3])));
}

// scores[R][64], groups [0, G) of 16 keys at k; q is [dims][R].
template <int R, int G>
void score_groups(const float* q, const uint16_t* k, int64_t pairs, float* scores, Ahead ahead) {
  Vec sums[R][G];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) sums[r][g] = spread(0.0f);
  for (int64_t j = 0; j < pairs; j++, q += 2 * R) {
    Raw raw[G];
    Vec keys[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
      raw[g] = load_raw(k + (g * pairs + j) * 32);
      if (R <= 6) ahead.fetch_during_k(g, j, G);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
#pragma GCC unroll 4
      for (int g = 0; g < G; g++) keys[g] = half ? second_of(raw[g]) : first_of(raw[g]);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const Vec x = spread(q[half * R + r]);
#pragma GCC unroll 4
        for (int g = 0; g < G; g++) sums[r][g] = fma(x, keys[g], sums[r][g]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) store(scores + r * kTileKeys + g * 16, sums[r][g]);
}

#include "attention_score_tile.h"

// sums[R][G groups of 16 dims] += p[R][keys first to end] * v, key after key.
template <int R, int G>
void add_groups(const float* p, const uint16_t* v, float* sums, int64_t stride, int first, int end,
                Ahead ahead) {
  Vec s[R][G];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) s[r][g] = load(sums + r * stride + g * 16);
  const auto take = [&](int key, const Vec(&values)[G]) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const Vec x = spread(p[r * kTileKeys + key]);
#pragma GCC unroll 4
      for (int g = 0; g < G; g++) s[r][g] = fma(x, values[g], s[r][g]);
    }
  };
  Vec values[G];
  int key = first;
  if (key % 2 != 0 && key < end) {
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) values[g] = second_of(load_raw(v + g * kTileKeys * 16 + key / 2 * 32));
    take(key++, values);
  }
  for (; key + 1 < end; key += 2) {
    Raw raw[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
      raw[g] = load_raw(v + g * kTileKeys * 16 + key * 16);
      if (R <= 6) ahead.fetch_during_v(g, key / 2, G);
    }
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) values[g] = first_of(raw[g]);
    take(key, values);
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) values[g] = second_of(raw[g]);
    take(key + 1, values);
  }
  if (key < end) {
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) values[g] = first_of(load_raw(v + g * kTileKeys * 16 + key * 16));
    take(key, values);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) store(sums + r * stride + g * 16, s[r][g]);
}

template <int R>
void add_tile(const float* p, const uint16_t* v, float* sums, int64_t stride, int first, int end,
              Ahead ahead) {
  constexpr int G = groups_for(R);
  const int groups = int(stride / 16);
  int g = 0;
  const auto at = [&](auto kernel) {
    kernel(p, v + g * kTileKeys * 16, sums + g * 16, stride, first, end, ahead.past(g, kTileKeys / 2));
  };
  for (; g + G <= groups; g += G) at(add_groups<R, G>);
  if (G == 4 && g + 2 <= groups) {
    at(add_groups<R, 2>);
    g += 2;
  }
  if (g < groups) at(add_groups<R, 1>);
}

using ScoreTile = void (*)(const float*, const uint16_t*, int64_t, float*, int, int, Ahead);
using AddTile = void (*)(const float*, const uint16_t*, float*, int64_t, int, int, Ahead);

struct BandKernels {
  ScoreTile score;
  AddTile add;
};

template <int R>
constexpr BandKernels kernels_of() {
  return {score_tile<R>, add_tile<R>};
}

inline const BandKernels& kernels_for(int rows) {
  static constexpr BandKernels table[] = {
      kernels_of<1>(), kernels_of<2>(), kernels_of<3>(), kernels_of<4>(),  kernels_of<5>(),  kernels_of<6>(),
#ifdef PD_WIDE_BANDS
      kernels_of<7>(), kernels_of<8>(), kernels_of<9>(), kernels_of<10>(), kernels_of<11>(), kernels_of<12>(),
#endif
  };
  static_assert(sizeof table / sizeof table[0] == kBandRows);
  return table[rows - 1];
}
