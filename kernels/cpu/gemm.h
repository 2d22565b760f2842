// Matrix product y = x w^T + bias for any number of rows: one algorithm, one order of addition.
//
//          16 or 32 columns (a unit)
//        +---+---+---+-- - --+
//   rows | t |   |   |       |   t: at most tile_rows rows by one unit
//        +---+---+---+-- - --+
//
// Every output is, per segment of k, one chain over k in ascending order; segments are added pairwise,
// (s0+s1)+(s2+s3), then the bias. How rows and units are grouped changes the speed and never a sum, so that
// the grouping may depend on the size of the team. With few rows each thread walks along units of its own,
// all row tiles at each stop, and reads weights from memory once; with many rows a job's units stay in the
// core's L2 cache while packed activations stream through.
#pragma once
#include <cstdint>

namespace pd {

constexpr int64_t kUnitColumns = 32;  // what weights are packed by

// One row tile by consecutive units.
struct GemmTile {
  const void* a;  // the row tile, packed
  const uint8_t* w;
  float* y;           // first row, first column
  const float* bias;  // of the first column, or null
  // Units that this thread will read next, as many and in the same order, or null: to be fetched during this
  // stop's tiles, of which this is number `turn` of `turns`. A cold stop's own units were not.
  const uint8_t* next;
  int64_t k, y_stride;
  int32_t rows, units, segments;
  int32_t last_columns;  // real columns of the last unit, 1 to unit_columns
  int32_t turn, turns;
  bool cold;
};

// One instruction set's product.
struct GemmKernels {
  int32_t tile_rows;     // rows of a full tile
  int32_t unit_columns;  // 16 or 32
  bool even_rows;        // tiles share the rows evenly; packed rows are not padded
  bool takes_plain_row;  // one row needs no packing
  int32_t (*group_units)(int32_t rows);  // multiplied side by side for so many rows of a tile
  int64_t (*row_bytes)(int64_t k, int32_t segments);  // of a packed row
  void (*pack_rows)(const float* x, int64_t x_stride, int32_t rows, int64_t k, int32_t segments,
                    void* packed);
  void (*multiply)(const GemmTile& tile);
};

extern const GemmKernels kGemmAvx2;
extern const GemmKernels kGemmAvx512;
extern const GemmKernels kGemmAvx512Bf16;
extern const GemmKernels kGemmAmx;
extern const GemmKernels kGemmAmxEmulated;

// Bytes of 32 packed columns of the fp32 layout, [k][16 lanes][2]: column j in the low half of lane j, column
// j + 16 in the high half, so that a shift and a mask widen 16 columns each.
inline int64_t fma_unit_bytes(int64_t k) { return k * kUnitColumns * 2; }

// The same of bf16 dot products, [2 halves][pairs][16 columns][2 consecutive k]: a half is a unit.
inline int64_t pair_unit_bytes(int64_t k) { return (k + 1) / 2 * kUnitColumns * 4; }

// Pairs of k that 32 packed columns of the tile layout hold, [2 halves][pairs][16 columns][2 consecutive k].
// A tile takes 16 pairs, and a segment starts wherever it starts, so the last segment's last tile may pass
// the end of k: zeros follow there.
inline int64_t tile_pairs(int64_t k) {
  int64_t pairs = (k + 1) / 2;
  for (int64_t segments = 1; segments <= 4; segments *= 2) {
    if (k % segments != 0) break;
    const int64_t first = (k - k / segments) / 2;
    const int64_t end = first + ((k + 1) / 2 - first + 15) / 16 * 16;
    pairs = end > pairs ? end : pairs;
  }
  return pairs;
}
inline int64_t tile_unit_bytes(int64_t k) { return tile_pairs(k) * kUnitColumns * 4; }

}  // namespace pd
