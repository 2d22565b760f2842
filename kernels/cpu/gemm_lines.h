// The product on vectors: a unit of weights is a run of cache lines, one for each step of k, and packed
// activations lie [step][rows], four bytes each, since rows a power of two apart would share one L1 set.
// Included by one file per instruction set, whose Vector says what a step is: an element of k, bf16 weights
// widened by a shift and a mask and fused multiply-adds (V::kSums = 2 vectors of columns from a line); or a
// pair of k and bf16 dot products (V::kSums = 1). Everything here is local to that file.
//
// Several units are multiplied side by side: as many read streams, and enough independent chains to hide the
// latency of the multiply-add.
#pragma once
#include "gemm_groups.h"

namespace {

// Steps of a segment: where its first line is in a unit, where its activations are.
struct Steps {
  int64_t first_line, first_packed, count;
};

// Accumulators of R rows by P units by H parts of a line; a part is one vector of weights.
template <class V, int R, int P, int H>
struct Sums {
  static constexpr int kCount = P * H * R * V::kSums;
  typename V::F at[kCount];

  static constexpr int index(int p, int h, int r) { return ((p * H + h) * R + r) * V::kSums; }
};

// One step. What is fewer stays in registers, the step's weights or its activations.
template <class V, int R, int P, int H>
[[gnu::always_inline]] inline void take_step(const float* a, const uint8_t* b, int64_t unit_bytes,
                                             Sums<V, R, P, H>& x) {
  if constexpr (R < P * H * V::kSums) {
    typename V::A row[R];
    PD_UNROLL for (int r = 0; r < R; r++) row[r] = V::broadcast(a + r);
    PD_UNROLL for (int p = 0; p < P; p++) PD_UNROLL for (int h = 0; h < H; h++) {
      typename V::W w[V::kSums];
      V::load_weights(b + p * unit_bytes + h * V::kBytes, w);
      PD_UNROLL for (int r = 0; r < R; r++) PD_UNROLL for (int i = 0; i < V::kSums; i++) {
        typename V::F& sum = x.at[x.index(p, h, r) + i];
        sum = V::dot(row[r], w[i], sum);
      }
    }
  } else {
    typename V::W w[P * H * V::kSums];
    PD_UNROLL for (int p = 0; p < P; p++) PD_UNROLL for (int h = 0; h < H; h++)
      V::load_weights(b + p * unit_bytes + h * V::kBytes, w + (p * H + h) * V::kSums);
    PD_UNROLL for (int r = 0; r < R; r++) {
      const typename V::A row = V::broadcast(a + r);
      PD_UNROLL for (int q = 0; q < P * H; q++) PD_UNROLL for (int i = 0; i < V::kSums; i++) {
        typename V::F& sum = x.at[x.index(0, q, r) + i];
        sum = V::dot(row, w[q * V::kSums + i], sum);
      }
    }
  }
}

// The segment's chains.
template <class V, int R, int P, int H>
[[gnu::always_inline]] inline void run_chains(const GemmTile& t, const uint8_t* w, const Steps& steps,
                                              int64_t unit_bytes, const Fetch& fetch, Sums<V, R, P, H>& x) {
  PD_UNROLL for (int i = 0; i < x.kCount; i++) x.at[i] = V::zero();
  const float* a = static_cast<const float*>(t.a) + steps.first_packed * R;
  const int64_t end = steps.first_line + steps.count;
  for (int64_t line = steps.first_line; line < end;) {
    const bool before = line < fetch.turning;
    const int64_t stop = before && fetch.turning < end ? fetch.turning : end;
    const uint8_t* ahead = (before ? fetch.first : fetch.first_after) + line * fetch.pace;
    const uint8_t* const b_end = w + stop * kLine;
    for (const uint8_t* b = w + line * kLine; b < b_end; a += R, b += kLine, ahead += fetch.pace) {
      PD_UNROLL for (int p = 0; p < P; p++)
        _mm_prefetch(reinterpret_cast<const char*>(ahead + p * unit_bytes), _MM_HINT_T0);
      take_step<V, R, P, H>(a, b, unit_bytes, x);
    }
    line = stop;
  }
}

template <class V, class Sums>
[[gnu::always_inline]] inline void add(const Sums& earlier, Sums& x) {
  PD_UNROLL for (int i = 0; i < x.kCount; i++) x.at[i] = V::add(earlier.at[i], x.at[i]);
}

// R rows by P whole units from `unit` on, parts [part, part + H) of each. Segments go one after another: held
// keeps s0, then s2, and s0+s1.
template <class V, int R, int P, int H>
[[gnu::noinline]] void multiply_units(const GemmTile& t, int64_t unit, int part, float* y, int64_t y_stride,
                                      const float* bias) {
  const int64_t unit_bytes = V::unit_bytes(t.k);
  const uint8_t* w = t.w + unit * unit_bytes + part * V::kBytes;
  constexpr int kTurns = V::kParts / H;
  const int32_t turn = t.turn * kTurns + part / H, turns = t.turns * kTurns;
  const Fetch fetch(t, unit_bytes / kLine, kLine, turn, turns, ahead_of(P), w);
  Sums<V, R, P, H> x, held[2];
  for (int32_t s = 0; s < t.segments; s++) {
    run_chains<V, R, P, H>(t, w, V::steps(t.k, t.segments, s), unit_bytes, fetch, x);
    if (s % 2 == 1) add<V>(held[0], x);
    if (s == 3) add<V>(held[1], x);
    if (s + 1 < t.segments) held[s == 1] = x;
  }
  PD_UNROLL for (int p = 0; p < P; p++) PD_UNROLL for (int h = 0; h < H; h++)
    PD_UNROLL for (int i = 0; i < V::kSums; i++) {
      const int64_t column = p * V::kColumns + i * 16 + (part + h) * (V::kBytes / 4);
      PD_UNROLL for (int r = 0; r < R; r++) {
        const typename V::F sum = x.at[x.index(p, h, r) + i];
        V::store(y + r * y_stride + column, bias ? V::add(sum, V::load(bias + column)) : sum);
      }
    }
}

// R rows by P units; H parts at a time.
template <class V, int R, int P, int H>
void multiply_parts(const GemmTile& t, int64_t unit, float* y, int64_t y_stride, const float* bias) {
  for (int part = 0; part < V::kParts; part += H)
    multiply_units<V, R, P, H>(t, unit, part, y, y_stride, bias);
}

// A unit with fewer real columns goes through a full one.
template <class V, int R, int H>
void multiply_last(const GemmTile& t, int64_t unit) {
  float y[R * V::kColumns], bias[V::kColumns] = {};
  const int64_t column = unit * V::kColumns;
  for (int32_t i = 0; t.bias && i < t.last_columns; i++) bias[i] = t.bias[column + i];
  multiply_parts<V, R, 1, H>(t, unit, y, V::kColumns, t.bias ? bias : nullptr);
  for (int64_t r = 0; r < R; r++)
    for (int32_t i = 0; i < t.last_columns; i++) t.y[r * t.y_stride + column + i] = y[r * V::kColumns + i];
}

// At most P units at a time, in groups of about the same size.
template <class V, int R, int P, int H>
void multiply_rows(const GemmTile& t) {
  const int64_t whole = t.units - (t.last_columns < V::kColumns);
  for_groups<P>(whole, [&]<int Q>(int64_t unit) {
    const int64_t column = unit * V::kColumns;
    multiply_parts<V, R, Q, H>(t, unit, t.y + column, t.y_stride, t.bias ? t.bias + column : nullptr);
  });
  if (whole < t.units) multiply_last<V, R, H>(t, whole);
}

}  // namespace
