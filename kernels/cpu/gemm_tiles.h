// The product on AMX tiles, real or emulated. Activations are rounded to bf16 (nearest even).
//
//                 B 6, 7: 16 pairs of k by 16 columns
//   A 4, 5:       +-----+-----+
//   16 rows by    | C 0 | C 2 |      two row tiles by the two halves of a unit, or
//   32 of k       +-----+-----+      one row tile by two units: C 0 | C 2 | C 1 | C 3
//                 | C 1 | C 3 |
//                 +-----+-----+
// A row tile is packed segment after segment as [16 rows][32 of k] blocks of 1 KiB. A segment starts at a
// pair of k; what its first pair and last block hold beyond it is zero in A, so whatever B holds there adds
// nothing.
#pragma once
#include <cstring>

#include "gemm.h"
#include "tile_shapes.h"

namespace {

using pd::GemmTile;
using pd::kUnitColumns;

constexpr int64_t kTileBytes = 1024;

// A segment in pairs of k.
struct Segment {
  int64_t first_k, end_k, first_pair, blocks;
};
inline Segment segment_of(int64_t k, int32_t segments, int32_t index) {
  const int64_t length = k / segments, first = index * length, end = first + length;
  return {first, end, first / 2, ((end + 1) / 2 - first / 2 + 15) / 16};
}
inline int64_t blocks_before(int64_t k, int32_t segments, int32_t index) {
  int64_t blocks = 0;
  for (int32_t s = 0; s < index; s++) blocks += segment_of(k, segments, s).blocks;
  return blocks;
}

inline int64_t tile_row_bytes(int64_t k, int32_t segments) {
  return blocks_before(k, segments, segments) * 64;
}

inline void round_to_bf16(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, from[i]);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    to[i] = uint16_t((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
  }
}

// Rows past the last one are left as they are: what a tile computes for them is not stored.
inline void pack_tile_rows(const float* x, int64_t x_stride, int32_t rows, int64_t k, int32_t segments,
                           void* packed) {
  const int64_t row_bytes = tile_row_bytes(k, segments);
  for (int32_t row = 0; row < rows; row++) {
    auto* block = static_cast<uint8_t*>(packed) + row / 16 * 16 * row_bytes + row % 16 * 64;
    for (int32_t s = 0; s < segments; s++) {
      const Segment it = segment_of(k, segments, s);
      for (int64_t b = 0; b < it.blocks; b++, block += kTileBytes) {
        const int64_t start = (it.first_pair + b * 16) * 2;
        const int64_t first = start < it.first_k ? it.first_k : start;
        const int64_t end = start + 32 < it.end_k ? start + 32 : it.end_k;
        if (end - first < 32) std::memset(block, 0, 64);
        round_to_bf16(x + row * x_stride + first, end - first,
                      reinterpret_cast<uint16_t*>(block) + (first - start));
      }
    }
  }
}

// One segment of up to 2 row tiles (A) by up to 4 halves of units (P).
template <class Tiles, int A, int P>
void run_segment(Tiles& tiles, const uint8_t* a, int64_t a_bytes, const uint8_t* const* b, int64_t blocks,
                 float* c) {
  tiles.template zero<0>();
  if constexpr (A == 2 || P == 4) tiles.template zero<1>();
  tiles.template zero<2>();
  if constexpr (A == 2 || P == 4) tiles.template zero<3>();
  for (int64_t i = 0; i < blocks; i++) {
    const int64_t at = i * kTileBytes;
    tiles.template load<4>(a + at, 64);
    if constexpr (A == 2) tiles.template load<5>(a + a_bytes + at, 64);
    tiles.template load<6>(b[0] + at, 64);
    tiles.template dot<0, 4, 6>();
    if constexpr (A == 2) tiles.template dot<1, 5, 6>();
    tiles.template load<7>(b[1] + at, 64);
    tiles.template dot<2, 4, 7>();
    if constexpr (A == 2) tiles.template dot<3, 5, 7>();
    if constexpr (P == 4) {
      tiles.template load<6>(b[2] + at, 64);
      tiles.template dot<1, 4, 6>();
      tiles.template load<7>(b[3] + at, 64);
      tiles.template dot<3, 4, 7>();
    }
  }
  tiles.template store<0>(c, 64);
  tiles.template store<2>(c + 256, 64);
  if constexpr (A == 2 || P == 4) tiles.template store<1>(c + 512, 64);
  if constexpr (A == 2 || P == 4) tiles.template store<3>(c + 768, 64);
}

inline void add_to(const float* earlier, float* x, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] = earlier[i] + x[i];
}

// A row tiles by P halves of units from `unit` on.
template <class Tiles, int A, int P>
void multiply_halves(Tiles& tiles, const GemmTile& t, int64_t unit) {
  constexpr int64_t kCount = A == 2 || P == 4 ? 1024 : 512;
  alignas(64) float x[kCount], held[2][kCount];
  const int64_t half_bytes = pd::tile_unit_bytes(t.k) / 2, a_bytes = 16 * tile_row_bytes(t.k, t.segments);
  const auto* a = static_cast<const uint8_t*>(t.a);
  for (int32_t s = 0; s < t.segments; s++) {
    const Segment it = segment_of(t.k, t.segments, s);
    const uint8_t* b[P];
    for (int p = 0; p < P; p++) b[p] = t.w + (unit * 2 + p) * half_bytes + it.first_pair * 64;
    run_segment<Tiles, A, P>(tiles, a + blocks_before(t.k, t.segments, s) * kTileBytes, a_bytes, b, it.blocks,
                             x);
    if (s % 2 == 1) add_to(held[0], x, kCount);
    if (s == 3) add_to(held[1], x, kCount);
    if (s + 1 < t.segments) std::memcpy(held[s == 1], x, sizeof x);
  }
  for (int quarter = 0; quarter < kCount / 256; quarter++) {
    const int64_t row = A == 2 ? quarter / 2 * 16 : 0, half = A == 2 ? quarter % 2 : quarter;
    const int64_t column = unit * kUnitColumns + half * 16,
                  all = (t.units - 1) * kUnitColumns + t.last_columns;
    const int64_t columns = all - column < 16 ? all - column : 16,
                  rows = t.rows - row < 16 ? t.rows - row : 16;
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < columns; i++) {
        const float sum = x[quarter * 256 + r * 16 + i];
        t.y[(row + r) * t.y_stride + column + i] = t.bias ? sum + t.bias[column + i] : sum;
      }
  }
}

// Tiles of a thread from here to the end of the scope.
template <class Tiles>
class TileScope {
 public:
  TileScope(Tiles& tiles, int32_t a_rows) : tiles_(tiles) {
    TileShapes shapes;
    for (int tile = 0; tile < 8; tile++) {
      shapes.row_bytes[tile] = 64;
      shapes.rows[tile] = tile < 6 ? uint8_t(a_rows) : 16;
    }
    tiles_.configure(shapes);
  }
  ~TileScope() { tiles_.release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

 private:
  Tiles& tiles_;
};

// Whole tile pairs of rows go by single units, fewer rows by two.
inline int32_t tile_group_units(int32_t rows) { return rows > 16 ? 2 : 4; }

template <class Tiles>
void multiply_tiles(const GemmTile& t) {
  Tiles tiles;
  TileScope<Tiles> scope(tiles, t.rows < 16 ? t.rows : 16);
  int64_t unit = 0;
  if (t.rows > 16) {
    for (; unit < t.units; unit++) multiply_halves<Tiles, 2, 2>(tiles, t, unit);
    return;
  }
  for (; unit + 2 <= t.units; unit += 2) multiply_halves<Tiles, 1, 4>(tiles, t, unit);
  if (unit < t.units) multiply_halves<Tiles, 1, 2>(tiles, t, unit);
}

}  // namespace
