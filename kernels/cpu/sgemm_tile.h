// The product of one tile: R rows by two vectors, all accumulators in registers. Included by one file per
// vector width; everything here is local to it.
#pragma once
#include <immintrin.h>

#include "sgemm.h"

#define PD_UNROLL _Pragma("GCC unroll 32")

namespace {

template <class V, int R>
void multiply_rows(const pd::SgemmTile& t) {
  constexpr int kVectors = 2;
  typename V::F sums[R][kVectors];
  PD_UNROLL for (int r = 0; r < R; r++) {
    PD_UNROLL for (int v = 0; v < kVectors; v++) sums[r][v] = V::zero();
  }
  const typename V::M masks[kVectors] = {V::mask(t.columns), V::mask(t.columns - V::kWidth)};
  const auto step = [&](const float* a, typename V::F b0, typename V::F b1) {
    PD_UNROLL for (int r = 0; r < R; r++) {
      const typename V::F x = V::broadcast(a + r * t.a_row);
      sums[r][0] = V::fma(x, b0, sums[r][0]);
      sums[r][1] = V::fma(x, b1, sums[r][1]);
    }
  };
  const float *a = t.a, *b = t.b;
  if (t.columns == kVectors * V::kWidth) {
    for (int64_t i = 0; i < t.inner; i++, a += t.a_step, b += t.b_stride)
      step(a, V::load(b), V::load(b + V::kWidth));
  } else {
    for (int64_t i = 0; i < t.inner; i++, a += t.a_step, b += t.b_stride)
      step(a, V::load(b, masks[0]), V::load(b + V::kWidth, masks[1]));
  }
  PD_UNROLL for (int r = 0; r < R; r++) {
    PD_UNROLL for (int v = 0; v < kVectors; v++) {
      float* c = t.c + r * t.c_stride + v * V::kWidth;
      V::store(c, masks[v], t.adds ? V::add(V::load(c, masks[v]), sums[r][v]) : sums[r][v]);
    }
  }
}

template <class V, int R>
void multiply_tile(const pd::SgemmTile& t) {
  if constexpr (R > 1) {
    if (t.rows < R) return multiply_tile<V, R - 1>(t);
  }
  multiply_rows<V, R>(t);
}

}  // namespace
