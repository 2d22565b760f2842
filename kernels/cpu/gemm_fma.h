// The product in fp32: bf16 weights widened by a shift and a mask, fused multiply-add, activations unrounded.
// Included by one file per vector width; everything here is local to that file.
//
// Activations of a tile lie [k][rows], since rows a power of two apart would share one L1 set. With few rows,
// several units, or several segments of one, are multiplied side by side: as many read streams, and enough
// independent chains to hide the latency of the multiply-add.
#pragma once
#include <immintrin.h>

#include "gemm.h"

namespace {

using pd::GemmTile;
using pd::kUnitColumns;

// Elements of k that a stream fetches ahead.
constexpr int64_t kAhead = 24;

inline int64_t fma_row_bytes(int64_t k, int32_t) { return k * 4; }

// x [rows, k] -> [k][rows], four by four.
inline void pack_fma_rows(const float* x, int64_t x_stride, int32_t rows, int64_t k, int32_t, void* packed) {
  auto* to = static_cast<float*>(packed);
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float* from = x + row * x_stride;
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) {
      __m128 a = _mm_loadu_ps(from + i), b = _mm_loadu_ps(from + x_stride + i);
      __m128 c = _mm_loadu_ps(from + 2 * x_stride + i), d = _mm_loadu_ps(from + 3 * x_stride + i);
      _MM_TRANSPOSE4_PS(a, b, c, d);
      _mm_storeu_ps(to + i * rows + row, a);
      _mm_storeu_ps(to + (i + 1) * rows + row, b);
      _mm_storeu_ps(to + (i + 2) * rows + row, c);
      _mm_storeu_ps(to + (i + 3) * rows + row, d);
    }
    for (; i < k; i++)
      for (int64_t r = 0; r < 4; r++) to[i * rows + row + r] = from[r * x_stride + i];
  }
  for (; row < rows; row++)
    for (int64_t i = 0; i < k; i++) to[i * rows + row] = x[row * x_stride + i];
}

#define PD_UNROLL _Pragma("GCC unroll 32")

// Accumulators of R rows by P units by S segments by H parts of a unit. A part is one vector of weights: its
// low halves, then its high halves.
template <class V, int R, int P, int S, int H>
struct Sums {
  static constexpr int kCount = S * P * H * R * 2;
  typename V::F at[kCount];

  static constexpr int index(int s, int p, int h, int r) { return (((s * P + p) * H + h) * R + r) * 2; }
};

// Runs the S segments that start at k0 side by side.
template <class V, int R, int P, int S, int H>
[[gnu::always_inline]] inline void run_chains(const GemmTile& t, const uint8_t* w, int64_t k0,
                                              Sums<V, R, P, S, H>& x) {
  PD_UNROLL for (int i = 0; i < x.kCount; i++) x.at[i] = V::zero();
  const int64_t length = t.k / t.segments, unit_bytes = pd::fma_unit_bytes(t.k);
  const float* a = static_cast<const float*>(t.a) + k0 * R;
  const uint8_t* b = w + k0 * 64;
  for (int64_t k = 0; k < length; k++, a += R, b += 64) {
    PD_UNROLL for (int s = 0; s < S; s++) {
      PD_UNROLL for (int p = 0; p < P; p++) {
        const uint8_t* line = b + p * unit_bytes + s * length * 64;
        _mm_prefetch(reinterpret_cast<const char*>(line + kAhead * 64), _MM_HINT_T0);
        PD_UNROLL for (int h = 0; h < H; h++) {
          typename V::F low, high;
          V::widen(line + h * V::kBytes, low, high);
          PD_UNROLL for (int r = 0; r < R; r++) {
            // Not held over the units: the registers are the accumulators'.
            const typename V::F v = V::broadcast(a + s * length * R + r);
            typename V::F* sum = x.at + x.index(s, p, h, r);
            sum[0] = V::fma(v, low, sum[0]);
            sum[1] = V::fma(v, high, sum[1]);
          }
        }
      }
    }
  }
}

template <class V, class Sums>
[[gnu::always_inline]] inline void add(const Sums& earlier, Sums& x) {
  PD_UNROLL for (int i = 0; i < x.kCount; i++) x.at[i] = V::add(earlier.at[i], x.at[i]);
}

// One segment after another: held keeps s0, then s2, and s0+s1.
template <class V, int R, int P, int H>
[[gnu::always_inline]] inline void run_in_turn(const GemmTile& t, const uint8_t* w, Sums<V, R, P, 1, H>& x) {
  Sums<V, R, P, 1, H> held[2];
  for (int32_t s = 0; s < t.segments; s++) {
    run_chains(t, w, s * (t.k / t.segments), x);
    if (s % 2 == 1) add<V>(held[0], x);
    if (s == 3) add<V>(held[1], x);
    if (s + 1 < t.segments) held[s == 1] = x;
  }
}

// All segments at once.
template <class V, int R, int P, int S, int H>
[[gnu::always_inline]] inline void run_abreast(const GemmTile& t, const uint8_t* w, Sums<V, R, P, 1, H>& x) {
  constexpr int kOne = Sums<V, R, P, 1, H>::kCount;
  Sums<V, R, P, S, H> sums;
  run_chains(t, w, 0, sums);
  PD_UNROLL for (int i = 0; i < kOne; i++) {
    x.at[i] = V::add(sums.at[i], sums.at[kOne + i]);
    if constexpr (S == 4) x.at[i] = V::add(x.at[i], V::add(sums.at[2 * kOne + i], sums.at[3 * kOne + i]));
  }
}

// R rows by P whole units from `unit` on, parts [part, part + H) of each.
template <class V, int R, int P, int S, int H>
[[gnu::noinline]] void multiply_units(const GemmTile& t, int64_t unit, int part, float* y, int64_t y_stride,
                                      const float* bias) {
  const uint8_t* w = static_cast<const uint8_t*>(t.w) + unit * pd::fma_unit_bytes(t.k) + part * V::kBytes;
  Sums<V, R, P, 1, H> x;
  if constexpr (S == 1)
    run_in_turn(t, w, x);
  else
    run_abreast<V, R, P, S, H>(t, w, x);
  PD_UNROLL for (int p = 0; p < P; p++) {
    PD_UNROLL for (int h = 0; h < H; h++) {
      PD_UNROLL for (int half = 0; half < 2; half++) {
        const int64_t column = p * kUnitColumns + half * 16 + (part + h) * (V::kBytes / 4);
        PD_UNROLL for (int r = 0; r < R; r++) {
          const typename V::F sum = x.at[x.index(0, p, h, r) + half];
          V::store(y + r * y_stride + column, bias ? V::add(sum, V::load(bias + column)) : sum);
        }
      }
    }
  }
}

// R rows by P units; H parts at a time.
template <class V, int R, int P, int S, int H>
void multiply_parts(const GemmTile& t, int64_t unit, float* y, int64_t y_stride, const float* bias) {
  for (int part = 0; part < V::kParts; part += H)
    multiply_units<V, R, P, S, H>(t, unit, part, y, y_stride, bias);
}

// A unit of fewer than 32 real columns goes through a full one.
template <class V, int R, int S, int H>
void multiply_last(const GemmTile& t, int64_t unit) {
  float y[R * kUnitColumns], bias[kUnitColumns] = {};
  const int64_t column = unit * kUnitColumns;
  for (int32_t i = 0; t.bias && i < t.last_columns; i++) bias[i] = t.bias[column + i];
  multiply_parts<V, R, 1, S, H>(t, unit, y, kUnitColumns, t.bias ? bias : nullptr);
  for (int64_t r = 0; r < R; r++)
    for (int32_t i = 0; i < t.last_columns; i++) t.y[r * t.y_stride + column + i] = y[r * kUnitColumns + i];
}

template <class V, int R, int P, int S, int H>
void multiply_rows(const GemmTile& t) {
  const int64_t whole = t.units - (t.last_columns < kUnitColumns);
  int64_t unit = 0;
  const auto step = [&]<int Q>() {
    for (; unit + Q <= whole; unit += Q) {
      const int64_t column = unit * kUnitColumns;
      multiply_parts<V, R, Q, S, H>(t, unit, t.y + column, t.y_stride, t.bias ? t.bias + column : nullptr);
    }
  };
  step.template operator()<P>();
  if constexpr (P > 2) step.template operator()<2>();
  if constexpr (P > 1) step.template operator()<1>();
  if (unit < t.units) multiply_last<V, R, S, H>(t, unit);
}

}  // namespace
