// The int8 product on AMX tiles, real or emulated.
//
//                 B 6, 7: 16 groups of four k by 16 columns
//   A 4, 5:       +-----+-----+
//   16 rows by    | C 0 | C 2 |      one or two row tiles by the two halves of a unit
//   64 of k       +-----+-----+
//                 | C 1 | C 3 |
//                 +-----+-----+
// Rows are packed 16 together, segment after segment, as [16 rows][64 of k] blocks of 1 KiB; the block of
// 16 rows ends with its scales, [segment][16].
#pragma once
#include "gemm_int8.h"
#include "quantise_int8.h"
#include "tile_shapes.h"

namespace {

using pd::GemmTile;
using pd::Int8Shape;
using pd::kInt8Columns;

constexpr int64_t kInt8TileBytes = 1024;
constexpr pd::Int8Order kInt8TileOrder = {4, 64, false};

inline int64_t int8_tile_row_bytes(int64_t k, int32_t segments) {
  return segments * (Int8Shape{k, segments, kInt8TileOrder}.run() + 4);
}

// Rows past the last one are left as they are: what a tile computes for them is not stored.
inline void pack_int8_tile_rows(const float* x, int64_t x_stride, int32_t rows, int64_t k_count,
                                int32_t segments, void* packed) {
  const Int8Shape shape = {k_count, segments, kInt8TileOrder};
  const int64_t length = shape.length(), blocks = shape.run() / 64;
  const int64_t sixteen_bytes = 16 * int8_tile_row_bytes(k_count, segments);
  for (int32_t row = 0; row < rows; row++) {
    uint8_t* sixteen = static_cast<uint8_t*>(packed) + row / 16 * sixteen_bytes;
    auto* scales = reinterpret_cast<float*>(sixteen + shape.segments * blocks * kInt8TileBytes);
    for (int32_t s = 0; s < shape.segments; s++) {
      const float* from = x + row * x_stride + s * length;
      uint8_t* to = sixteen + s * blocks * kInt8TileBytes + row % 16 * 64;
      const Int8Scale scale = int8_scale_of(from, length);
      scales[s * 16 + row % 16] = scale.scale;
      for (int64_t k = 0; k < length; k += 64, to += kInt8TileBytes) {
        const int64_t count = length - k < 64 ? length - k : 64;
        if (count < 64) std::memset(to, 0, 64);
        quantise_int8(from + k, count, scale.inverse, 0, to);
      }
    }
  }
}

// One segment of A row tiles by a unit; c holds the tiles one after the other.
template <class Tiles, int A>
void run_int8_tiles(Tiles& tiles, const uint8_t* a, int64_t a_bytes, const uint8_t* b, int64_t blocks,
                    int32_t* c) {
  tiles.template zero<0>();
  tiles.template zero<2>();
  if constexpr (A == 2) tiles.template zero<1>();
  if constexpr (A == 2) tiles.template zero<3>();
  for (int64_t i = 0; i < blocks; i++) {
    tiles.template load<4>(a + i * kInt8TileBytes, 64);
    if constexpr (A == 2) tiles.template load<5>(a + a_bytes + i * kInt8TileBytes, 64);
    tiles.template load<6>(b + i * 2 * kInt8TileBytes, 128);
    tiles.template dot_int8<0, 4, 6>();
    if constexpr (A == 2) tiles.template dot_int8<1, 5, 6>();
    tiles.template load<7>(b + i * 2 * kInt8TileBytes + 64, 128);
    tiles.template dot_int8<2, 4, 7>();
    if constexpr (A == 2) tiles.template dot_int8<3, 5, 7>();
  }
  tiles.template store<0>(c, 64);
  tiles.template store<2>(c + 256, 64);
  if constexpr (A == 2) tiles.template store<1>(c + 512, 64);
  if constexpr (A == 2) tiles.template store<3>(c + 768, 64);
}

// Scaled sums of one segment, [2 halves][16 rows][16 columns] for each row tile.
template <int A>
void scale_int8(const uint8_t* a, const Int8Shape& shape, const uint8_t* unit, int32_t segment,
                const int32_t* c, float* scaled) {
  const int64_t sixteen_bytes = 16 * int8_tile_row_bytes(shape.k, shape.segments);
  const auto* columns = reinterpret_cast<const float*>(unit + shape.weight_bytes()) + segment * kInt8Columns;
  for (int tile = 0; tile < A; tile++) {
    const auto* rows =
        reinterpret_cast<const float*>(a + tile * sixteen_bytes + shape.segments * shape.run() * 16) +
        segment * 16;
    for (int half = 0; half < 2; half++)
      for (int row = 0; row < 16; row++)
        for (int i = 0; i < 16; i++) {
          const int at = ((tile * 2 + half) * 16 + row) * 16 + i;
          scaled[at] = float(c[at]) * rows[row] * columns[half * 16 + i];
        }
  }
}

template <class Tiles, int A>
void multiply_int8_unit(Tiles& tiles, const GemmTile& t, int64_t index) {
  constexpr int64_t kCount = A * 512;
  alignas(64) int32_t c[kCount] = {};
  alignas(64) float scaled[4][kCount];
  const Int8Shape shape = {t.k, t.segments, kInt8TileOrder};
  const int64_t run = shape.run(), a_bytes = 16 * int8_tile_row_bytes(t.k, t.segments);
  const auto* a = static_cast<const uint8_t*>(t.a);
  const uint8_t* unit = t.w + index * shape.unit_bytes();
  for (int32_t s = 0; s < t.segments; s++) {
    run_int8_tiles<Tiles, A>(tiles, a + s * run * 16, a_bytes, unit + s * run * kInt8Columns, run / 64, c);
    scale_int8<A>(a, shape, unit, s, c, scaled[s]);
  }
  const int64_t column = index * kInt8Columns;
  const int32_t columns = index + 1 < t.units ? int32_t(kInt8Columns) : t.last_columns;
  for (int64_t row = 0; row < t.rows; row++)
    for (int32_t i = 0; i < columns; i++) {
      const int64_t at = ((row / 16 * 2 + i / 16) * 16 + row % 16) * 16 + i % 16;
      float sum = scaled[0][at];
      if (t.segments > 1) sum = sum + scaled[1][at];
      if (t.segments > 2) sum = sum + (scaled[2][at] + scaled[3][at]);
      t.y[row * t.y_stride + column + i] = t.bias ? sum + t.bias[column + i] : sum;
    }
}

template <class Tiles>
void multiply_int8_tiles(const GemmTile& t) {
  Tiles tiles;
  TileShapes shapes;
  for (int tile = 0; tile < 8; tile++) {
    shapes.row_bytes[tile] = 64;
    shapes.rows[tile] = tile < 6 && t.rows < 16 ? uint8_t(t.rows) : 16;
  }
  tiles.configure(shapes);
  for (int64_t unit = 0; unit < t.units; unit++) {
    if (t.rows > 16)
      multiply_int8_unit<Tiles, 2>(tiles, t, unit);
    else
      multiply_int8_unit<Tiles, 1>(tiles, t, unit);
  }
  tiles.release();
}

inline int32_t int8_tile_group_units(int32_t) { return 2; }

template <class Tiles>
constexpr pd::Int8Kernels int8_tile_kernels() {
  return {kInt8TileOrder,
          {32, int32_t(kInt8Columns), false, false, int8_tile_group_units, int8_tile_row_bytes,
           pack_int8_tile_rows, multiply_int8_tiles<Tiles>}};
}

}  // namespace
