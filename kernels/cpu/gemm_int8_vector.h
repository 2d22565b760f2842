// The int8 product in vectors: groups of k of one row against the same groups of many columns. Included by
// one file per instruction set; everything here is local to that file.
//
// Activations of a tile lie [segment][run / group][rows] in words of 4 bytes, then [segment][rows] scales.
// With few rows, several units, or several segments of one, are multiplied side by side: as many read
// streams, and enough independent sums to hide the latency of the dot product.
#pragma once
#include <immintrin.h>

#include "gemm_int8.h"
#include "quantise_int8.h"

namespace {

using pd::Int8Shape;
using pd::Int8Tile;
using pd::kInt8Columns;

// Bytes of weights that a stream fetches ahead.
constexpr int64_t kInt8Ahead = 1536;

inline int64_t int8_row_bytes(const Int8Shape& shape) {
  return shape.segments * (shape.run() / shape.order.group * 4 + 4);
}

// x [rows, k] -> words.
template <class V>
void pack_int8_rows(const float* x, int64_t x_stride, int32_t rows, const Int8Shape& shape, uint8_t* packed) {
  constexpr int64_t kBlock = 256;
  const int64_t length = shape.length(), words = shape.run() / V::kGroup;
  auto* scales = reinterpret_cast<float*>(packed + rows * shape.segments * words * 4);
  for (int32_t s = 0; s < shape.segments; s++)
    for (int32_t row = 0; row < rows; row++) {
      const float* from = x + row * x_stride + s * length;
      auto* to = reinterpret_cast<uint32_t*>(packed) + s * words * rows + row;
      const Int8Scale scale = int8_scale_of(from, length);
      scales[s * rows + row] = scale.scale;
      alignas(64) uint8_t block[kBlock];
      for (int64_t k = 0; k < length; k += kBlock) {
        const int64_t count = length - k < kBlock ? length - k : kBlock;
        quantise_int8(from + k, count, scale.inverse, V::kFlip, block);
        for (int64_t i = count; i % V::kGroup != 0; i++) block[i] = V::kFlip;
        for (int64_t i = 0; i < count; i += V::kGroup, to += rows) *to = V::word(block + i);
      }
    }
}

#define PD_UNROLL _Pragma("GCC unroll 32")

// Sums of S segments by P units by H vectors of columns by R rows.
template <class V, int R, int P, int S, int H>
struct Int8Sums {
  static constexpr int kCount = S * P * H * R;
  typename V::I at[kCount];
  static constexpr int index(int s, int p, int h, int r) { return ((s * P + p) * H + h) * R + r; }
};

// Runs the S segments from `segment` on side by side, and leaves their scaled sums.
template <class V, int R, int P, int S, int H>
[[gnu::always_inline]] inline void run_int8(const Int8Tile& t, const uint8_t* unit, int part, int32_t segment,
                                            typename V::F* scaled) {
  using Sums = Int8Sums<V, R, P, S, H>;
  Sums x;
  const int64_t run = t.shape.run(), unit_bytes = t.shape.unit_bytes(), words = run / V::kGroup;
  const int64_t lane = part * V::kLanes;  // first column
  const uint8_t* tables = unit + t.shape.weight_bytes() + (segment * kInt8Columns + lane) * 4;
  const uint8_t* starts = tables + t.shape.segments * kInt8Columns * 4;
  PD_UNROLL for (int s = 0; s < S; s++)
    PD_UNROLL for (int p = 0; p < P; p++)
      PD_UNROLL for (int h = 0; h < H; h++) {
        const auto start = V::load_start(starts + p * unit_bytes + (s * kInt8Columns + h * V::kLanes) * 4);
        PD_UNROLL for (int r = 0; r < R; r++) x.at[Sums::index(s, p, h, r)] = start;
      }
  const uint8_t* a = t.a + segment * words * R * 4;
  const uint8_t* b = unit + segment * run * kInt8Columns + lane * V::kGroup;
  constexpr int64_t kLine = kInt8Columns * V::kGroup;
  // One unit alone may fetch what comes next instead: memory is then read while the rows are computed.
  constexpr bool kFetches = P * S == 1;
  const uint8_t* next = kFetches && t.ahead ? t.ahead + segment * words * t.ahead_step : b + kInt8Ahead;
  const int64_t next_step = kFetches && t.ahead ? t.ahead_step : kLine;
  for (int64_t i = 0; i < words; i++, a += R * 4, b += kLine) {
    if constexpr (kFetches) {
      _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(next + 64), _MM_HINT_T0);
      next += next_step;
    }
    PD_UNROLL for (int s = 0; s < S; s++) {
      PD_UNROLL for (int p = 0; p < P; p++) {
        const uint8_t* line = b + p * unit_bytes + s * run * kInt8Columns;
        if constexpr (!kFetches)
          for (int64_t ahead = 0; ahead < kLine; ahead += 64)
            _mm_prefetch(reinterpret_cast<const char*>(line + kInt8Ahead + ahead), _MM_HINT_T0);
        typename V::I w[H];
        PD_UNROLL for (int h = 0; h < H; h++) w[h] = V::load_weights(line + h * V::kBytes);
        PD_UNROLL for (int r = 0; r < R; r++) {
          const typename V::I v = V::broadcast(a + (s * words * R + r) * 4);
          PD_UNROLL for (int h = 0; h < H; h++) V::dot(x.at[Sums::index(s, p, h, r)], v, w[h]);
        }
      }
    }
  }
  const auto* rows = reinterpret_cast<const float*>(t.a + t.shape.segments * words * R * 4) + segment * R;
  PD_UNROLL for (int s = 0; s < S; s++)
    PD_UNROLL for (int p = 0; p < P; p++)
      PD_UNROLL for (int h = 0; h < H; h++) {
        const auto scale = V::load(reinterpret_cast<const float*>(
            tables + p * unit_bytes + (s * kInt8Columns + h * V::kLanes) * 4));
        PD_UNROLL for (int r = 0; r < R; r++) {
          const int i = Sums::index(s, p, h, r);
          scaled[i] = V::mul(V::mul(V::to_float(x.at[i]), V::set(rows[s * R + r])), scale);
        }
      }
}

// R rows by P whole units from `unit` on, vectors [part, part + H) of each.
template <class V, int R, int P, int S, int H>
[[gnu::noinline]] void multiply_int8_units(const Int8Tile& t, int64_t unit, int part, float* y,
                                           int64_t y_stride, const float* bias) {
  constexpr int kOne = P * H * R;
  const uint8_t* w = t.w + unit * t.shape.unit_bytes();
  typename V::F sums[4 * kOne];
  if constexpr (S == 1)
    for (int32_t s = 0; s < t.shape.segments; s++) run_int8<V, R, P, 1, H>(t, w, part, s, sums + s * kOne);
  else
    run_int8<V, R, P, S, H>(t, w, part, 0, sums);
  PD_UNROLL for (int p = 0; p < P; p++)
    PD_UNROLL for (int h = 0; h < H; h++)
      PD_UNROLL for (int r = 0; r < R; r++) {
        const int i = Int8Sums<V, R, P, 1, H>::index(0, p, h, r);
        const int64_t column = p * kInt8Columns + (part + h) * V::kLanes;
        typename V::F sum = sums[i];
        if (t.shape.segments > 1) sum = V::add(sum, sums[kOne + i]);
        if (t.shape.segments > 2) sum = V::add(sum, V::add(sums[2 * kOne + i], sums[3 * kOne + i]));
        V::store(y + r * y_stride + column, bias ? V::add(sum, V::load(bias + column)) : sum);
      }
}

template <class V, int R, int P, int S, int H>
void multiply_int8_parts(const Int8Tile& t, int64_t unit, float* y, int64_t y_stride, const float* bias) {
  for (int part = 0; part < kInt8Columns / V::kLanes; part += H)
    multiply_int8_units<V, R, P, S, H>(t, unit, part, y, y_stride, bias);
}

// A unit of fewer than 32 real columns goes through a full one.
template <class V, int R, int S, int H>
void multiply_int8_last(const Int8Tile& t, int64_t unit) {
  float y[R * kInt8Columns], bias[kInt8Columns] = {};
  const int64_t column = unit * kInt8Columns;
  for (int32_t i = 0; t.bias && i < t.last_columns; i++) bias[i] = t.bias[column + i];
  multiply_int8_parts<V, R, 1, S, H>(t, unit, y, kInt8Columns, t.bias ? bias : nullptr);
  for (int64_t r = 0; r < R; r++)
    for (int32_t i = 0; i < t.last_columns; i++) t.y[r * t.y_stride + column + i] = y[r * kInt8Columns + i];
}

template <class V, int R, int P, int S, int H>
void multiply_int8_rows(const Int8Tile& t) {
  const int64_t whole = t.units - (t.last_columns < kInt8Columns);
  int64_t unit = 0;
  const auto step = [&]<int Q>() {
    for (; unit + Q <= whole; unit += Q) {
      const int64_t column = unit * kInt8Columns;
      const float* bias = t.bias ? t.bias + column : nullptr;
      multiply_int8_parts<V, R, Q, S, H>(t, unit, t.y + column, t.y_stride, bias);
    }
  };
  step.template operator()<P>();
  if constexpr (P > 2) step.template operator()<2>();
  if constexpr (P > 1) step.template operator()<1>();
  if (unit < t.units) multiply_int8_last<V, R, S, H>(t, unit);
}

}  // namespace
