// Arithmetic of one tile of keys in bf16 dot products (vdpbf16ps). Included inside an anonymous namespace,
// after the lanes and the weights of AVX-512.
//
// A K load is 16 positions x 2 consecutive dims, a V load 16 dims x 2 consecutive positions: both are what
// one dot product takes, with a pair of q or p spread over its lanes. A lane of a sum is one chain over the
// pairs, so that neither the rows of a band nor its groups matter to it.

constexpr int kBandRows = 12;
constexpr bool kScoresFirst = false;
constexpr bool kShrinksInMix = true;

inline Vec dot(Vec sum, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

// Scores become weights relative to `top`, in bf16 pairs of keys at the front of the row; returns lanes of
// the sum of what they were rounded to.
inline Vec weigh_row(float* s, Vec top, Vec sum) {
  const Raw ones = _mm512_set1_epi32(0x3f803f80);
  Vec p[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) p[i] = weight_of(sub(load(s + 16 * i), top));
  for (int i = 0; i < 2; i++) {
    const Raw pairs = (Raw)_mm512_cvtne2ps_pbh(p[2 * i + 1], p[2 * i]);
    _mm512_storeu_si512(s + 16 * i, pairs);
    sum = dot(sum, ones, pairs);
  }
  return sum;
}

// scores[R][64], groups [0, G) of 16 keys at k; q is [pairs of dims][R].
template <int R, int G>
void score_groups(const uint32_t* q, const uint16_t* k, int64_t pairs, float* scores, Ahead ahead) {
  Vec sums[R][G];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) sums[r][g] = spread(0.0f);
  for (int64_t j = 0; j < pairs; j++, q += R) {
    Raw keys[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
      keys[g] = load_raw(k + (g * pairs + j) * 32);
      ahead.fetch_during_k(g, j, G);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const __m512i x = _mm512_set1_epi32(int(q[r]));
#pragma GCC unroll 4
      for (int g = 0; g < G; g++) sums[r][g] = dot(sums[r][g], x, keys[g]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) store(scores + r * kTileKeys + g * 16, sums[r][g]);
}

#include "attention_score_tile.h"

// sums[R][G groups of 16 dims], times what each row shrinks by, += p[R][pairs of keys first to end] * v, pair
// after pair. With kEdge a row sees of a pair what its mask leaves: masks are [pairs of the tile]
// [kBandSlots]. A pair that is masked out whole adds nothing, its p being zero too.
template <int R, int G, bool kEdge>
void add_groups(const uint32_t* p, const uint16_t* v, float* sums, const float* shrinks, int64_t stride,
                int first, int end, const uint32_t* masks, Ahead ahead) {
  Vec s[R][G];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) s[r][g] = mul(load(sums + r * stride + g * 16), spread(shrinks[r]));
  for (int pair = first; pair < end; pair++) {
    Raw values[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
      values[g] = load_raw(v + g * kTileKeys * 16 + pair * 32);
      if (!kEdge) ahead.fetch_during_v(g, pair, G);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const __m512i x = _mm512_set1_epi32(int(p[r * kTileKeys + pair]));
#pragma GCC unroll 4
      for (int g = 0; g < G; g++) {
        Raw seen = values[g];
        if (kEdge) seen = _mm512_and_si512(seen, _mm512_set1_epi32(int(masks[pair * pd::kBandSlots + r])));
        s[r][g] = dot(s[r][g], x, seen);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) store(sums + r * stride + g * 16, s[r][g]);
}

template <int R, bool kEdge>
void add_tile(const uint32_t* p, const uint16_t* v, float* sums, const float* shrinks, int64_t stride,
              int first, int end, const uint32_t* masks, Ahead ahead) {
  constexpr int G = groups_for(R);
  const int groups = int(stride / 16);
  int g = 0;
  const auto at = [&](auto kernel) {
    kernel(p, v + g * kTileKeys * 16, sums + g * 16, shrinks, stride, first, end, masks,
           ahead.past(g, kTileKeys / 2));
  };
  for (; g + G <= groups; g += G) at(add_groups<R, G, kEdge>);
  if (G == 4 && g + 2 <= groups) {
    at(add_groups<R, 2, kEdge>);
    g += 2;
  }
  if (g < groups) at(add_groups<R, 1, kEdge>);
}

struct BandKernels {
  void (*score)(const uint32_t* q, const uint16_t* k, int64_t pairs, float* scores, int first, int end,
                Ahead ahead);
  void (*add)(const uint32_t* p, const uint16_t* v, float* sums, const float* shrinks, int64_t stride,
              int first, int end, const uint32_t* masks, Ahead ahead);
  void (*add_edge)(const uint32_t* p, const uint16_t* v, float* sums, const float* shrinks, int64_t stride,
                   int first, int end, const uint32_t* masks, Ahead ahead);
};

template <int R>
constexpr BandKernels kernels_of() {
  return {score_tile<R>, add_tile<R, false>, add_tile<R, true>};
}

inline const BandKernels& kernels_for(int rows) {
  static constexpr BandKernels table[] = {
      kernels_of<1>(), kernels_of<2>(), kernels_of<3>(), kernels_of<4>(),  kernels_of<5>(),  kernels_of<6>(),
      kernels_of<7>(), kernels_of<8>(), kernels_of<9>(), kernels_of<10>(), kernels_of<11>(), kernels_of<12>(),
  };
  static_assert(sizeof table / sizeof table[0] == kBandRows);
  return table[rows - 1];
}
