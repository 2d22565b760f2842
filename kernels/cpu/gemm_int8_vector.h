// The int8 product in vectors: groups of k of one row against the same groups of many columns. Included by
// one file per instruction set; everything here is local to that file.
//
// Activations of a tile lie [segment][run / group][rows] in words of 4 bytes, then [segment][rows] scales.
// With few rows several units are multiplied side by side: as many read streams, and enough independent sums
// to hide the latency of the dot product.
#pragma once
#include "gemm_groups.h"
#include "gemm_int8.h"
#include "quantise_int8.h"

namespace {

using pd::Int8Shape;
using pd::kInt8Columns;

template <class V>
constexpr pd::Int8Order int8_order() {
  return {V::kGroup, V::kGroup, V::kFlip != 0};
}

template <class V>
int64_t int8_row_bytes(int64_t k, int32_t segments) {
  const Int8Shape shape = {k, segments, int8_order<V>()};
  return segments * (shape.run() / V::kGroup * 4 + 4);
}

// x [rows, k] -> words.
template <class V>
void pack_int8_rows(const float* x, int64_t x_stride, int32_t rows, int64_t k_count, int32_t segments,
                    void* packed) {
  constexpr int64_t kBlock = 256;
  const Int8Shape shape = {k_count, segments, int8_order<V>()};
  const int64_t length = shape.length(), words = shape.run() / V::kGroup;
  auto* scales = static_cast<float*>(packed) + rows * segments * words;
  for (int32_t s = 0; s < segments; s++)
    for (int32_t row = 0; row < rows; row++) {
      const float* from = x + row * x_stride + s * length;
      auto* to = static_cast<uint32_t*>(packed) + s * words * rows + row;
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

// Sums of P units by H vectors of columns by R rows.
template <class V, int R, int P, int H>
struct Int8Sums {
  static constexpr int kCount = P * H * R;
  typename V::I at[kCount];
  static constexpr int index(int p, int h, int r) { return (p * H + h) * R + r; }
};

// Bytes of 32 columns by a group of k.
template <class V>
constexpr int64_t kInt8Step = kInt8Columns * V::kGroup;

// A tile's place in its units: vectors [part, part + H) of the columns of those from `unit` on.
template <class V>
struct Int8Place {
  const GemmTile& t;
  const Int8Shape shape;
  const uint8_t* unit;
  const int64_t unit_bytes, words;  // words: of a row and segment
  const int part;

  Int8Place(const GemmTile& t, int64_t index, int part)
      : t(t),
        shape{t.k, t.segments, int8_order<V>()},
        unit(t.w + index * shape.unit_bytes()),
        unit_bytes(shape.unit_bytes()),
        words(shape.run() / V::kGroup),
        part(part) {}

  // Scales of a segment's columns; where its sums start.
  const uint8_t* scales(int32_t segment) const {
    return unit + shape.weight_bytes() + (segment * kInt8Columns + part * V::kLanes) * 4;
  }
  const uint8_t* starts(int32_t segment) const { return scales(segment) + t.segments * kInt8Columns * 4; }
};

// Sums of one segment.
template <class V, int R, int P, int H>
[[gnu::always_inline]] inline void sum_int8(const Int8Place<V>& at, int32_t segment, const Fetch& fetch,
                                            Int8Sums<V, R, P, H>& x) {
  const int64_t unit_bytes = at.unit_bytes, end = (segment + 1) * at.words;
  PD_UNROLL for (int p = 0; p < P; p++) PD_UNROLL for (int h = 0; h < H; h++) {
    const auto start = V::load_start(at.starts(segment) + p * unit_bytes + h * V::kLanes * 4);
    PD_UNROLL for (int r = 0; r < R; r++) x.at[x.index(p, h, r)] = start;
  }
  const uint8_t* a = static_cast<const uint8_t*>(at.t.a) + segment * at.words * R * 4;
  const uint8_t* const w = at.unit + at.part * V::kLanes * V::kGroup;
  for (int64_t step = segment * at.words; step < end;) {
    const bool before = step < fetch.turning;
    const int64_t stop = before && fetch.turning < end ? fetch.turning : end;
    const uint8_t* ahead = (before ? fetch.first : fetch.first_after) + step * fetch.pace;
    const uint8_t* const b_end = w + stop * kInt8Step<V>;
    for (const uint8_t* b = w + step * kInt8Step<V>; b < b_end;
         a += R * 4, b += kInt8Step<V>, ahead += fetch.pace) {
      PD_UNROLL for (int p = 0; p < P; p++) {
        for (int64_t line = 0; line < kInt8Step<V>; line += kLine)
          _mm_prefetch(reinterpret_cast<const char*>(ahead + p * unit_bytes + line), _MM_HINT_T0);
        typename V::I weights[H];
        PD_UNROLL for (int h = 0; h < H; h++)
          weights[h] = V::load_weights(b + p * unit_bytes + h * V::kBytes);
        PD_UNROLL for (int r = 0; r < R; r++) {
          const typename V::I v = V::broadcast(a + r * 4);
          PD_UNROLL for (int h = 0; h < H; h++) V::dot(x.at[x.index(p, h, r)], v, weights[h]);
        }
      }
    }
    step = stop;
  }
}

template <class V, int R, int P, int H>
[[gnu::always_inline]] inline void scale_int8(const Int8Place<V>& at, int32_t segment,
                                              const Int8Sums<V, R, P, H>& x, typename V::F* scaled) {
  const float* rows = static_cast<const float*>(at.t.a) + at.t.segments * at.words * R + segment * R;
  PD_UNROLL for (int p = 0; p < P; p++) PD_UNROLL for (int h = 0; h < H; h++) {
    const auto* scales = reinterpret_cast<const float*>(at.scales(segment) + p * at.unit_bytes);
    const auto scale = V::load(scales + h * V::kLanes);
    PD_UNROLL for (int r = 0; r < R; r++) {
      const int i = x.index(p, h, r);
      scaled[i] = V::mul(V::mul(V::to_float(x.at[i]), V::set(rows[r])), scale);
    }
  }
}

// Scales and starts of the units that come next lie behind their weights, where no stream comes by early.
template <class V, int P>
inline void fetch_tables(const Int8Place<V>& at) {
  const uint8_t* next = at.unit + (at.t.next - at.t.w) + at.shape.weight_bytes();
  for (int p = 0; p < P; p++, next += at.unit_bytes)
    for (int64_t line = 0; line < at.unit_bytes - at.shape.weight_bytes(); line += kLine)
      _mm_prefetch(reinterpret_cast<const char*>(next + line), _MM_HINT_T0);
}

// R rows by P whole units from `unit` on, vectors [part, part + H) of each.
template <class V, int R, int P, int H>
[[gnu::noinline]] void multiply_int8_units(const GemmTile& t, int64_t unit, int part, float* y,
                                           int64_t y_stride, const float* bias) {
  using Sums = Int8Sums<V, R, P, H>;
  constexpr int kOne = Sums::kCount, kTurns = kInt8Columns / V::kLanes / H;
  const Int8Place<V> at(t, unit, part);
  const Fetch fetch(t, t.segments * at.words, kInt8Step<V>, t.turn * kTurns + part / H, t.turns * kTurns,
                    ahead_of(P), at.unit);
  if (t.next && t.turn + 1 == t.turns) fetch_tables<V, P>(at);
  typename V::F sums[4 * kOne];
  for (int32_t s = 0; s < t.segments; s++) {
    Sums x;
    sum_int8<V, R, P, H>(at, s, fetch, x);
    scale_int8<V, R, P, H>(at, s, x, sums + s * kOne);
  }
  PD_UNROLL for (int p = 0; p < P; p++)
    PD_UNROLL for (int h = 0; h < H; h++)
      PD_UNROLL for (int r = 0; r < R; r++) {
        const int i = Sums::index(p, h, r);
        const int64_t column = p * kInt8Columns + (part + h) * V::kLanes;
        typename V::F sum = sums[i];
        if (t.segments > 1) sum = V::add(sum, sums[kOne + i]);
        if (t.segments > 2) sum = V::add(sum, V::add(sums[2 * kOne + i], sums[3 * kOne + i]));
        V::store(y + r * y_stride + column, bias ? V::add(sum, V::load(bias + column)) : sum);
      }
}

template <class V, int R, int P, int H>
void multiply_int8_parts(const GemmTile& t, int64_t unit, float* y, int64_t y_stride, const float* bias) {
  for (int part = 0; part < kInt8Columns / V::kLanes; part += H)
    multiply_int8_units<V, R, P, H>(t, unit, part, y, y_stride, bias);
}

// A unit of fewer than 32 real columns goes through a full one.
template <class V, int R, int H>
void multiply_int8_last(const GemmTile& t, int64_t unit) {
  float y[R * kInt8Columns], bias[kInt8Columns] = {};
  const int64_t column = unit * kInt8Columns;
  for (int32_t i = 0; t.bias && i < t.last_columns; i++) bias[i] = t.bias[column + i];
  multiply_int8_parts<V, R, 1, H>(t, unit, y, kInt8Columns, t.bias ? bias : nullptr);
  for (int64_t r = 0; r < R; r++)
    for (int32_t i = 0; i < t.last_columns; i++) t.y[r * t.y_stride + column + i] = y[r * kInt8Columns + i];
}

template <class V, int R, int P, int H>
void multiply_int8_rows(const GemmTile& t) {
  const int64_t whole = t.units - (t.last_columns < kInt8Columns);
  for_groups<P>(whole, [&]<int Q>(int64_t unit) {
    const int64_t column = unit * kInt8Columns;
    multiply_int8_parts<V, R, Q, H>(t, unit, t.y + column, t.y_stride, t.bias ? t.bias + column : nullptr);
  });
  if (whole < t.units) multiply_int8_last<V, R, H>(t, whole);
}

// An instruction set's kernels: Kernel<R> multiplies tiles of R rows.
template <class V, int kTileRows, template <int> class Kernel>
constexpr pd::Int8Kernels int8_kernels_of(
    int32_t (*group_units)(int32_t rows),
    decltype(pd::GemmKernels::pack_rows) pack_rows = pack_int8_rows<V>) {
  return {int8_order<V>(),
          {kTileRows, int32_t(kInt8Columns), true, false, group_units, int8_row_bytes<V>, pack_rows,
           multiply_any<kTileRows, Kernel>}};
}

}  // namespace
