// Float32 matrix products for training, in the three forms that a linear layer and its gradient take:
//   nt   y  = x w^T      c[m, n] = sum over k of a[m, k] b[n, k]
//   nn   dx = dy w       c[m, n] = sum over k of a[m, k] b[k, n]
//   tn   dw = dy^T x     c[m, n] = sum over k of a[k, m] b[k, n]
//
// Every output is a sum over runs of kSgemmRun inner indices, in ascending order; each run is one chain of
// fused multiply-adds from zero, in ascending order too. So tiles, threads and the vector's width change no
// bit. For nn and nt, b is packed into panels [inner][columns of a tile] first; tn reads both as they lie.
#pragma once
#include <cstdint>

namespace pd {

constexpr int64_t kSgemmRun = 512;

// A few rows by the columns of one panel, over one run of inner indices.
struct SgemmTile {
  const float* a;  // element (row r, inner i) is a[r * a_row + i * a_step]
  const float* b;  // row i is at b + i * b_stride
  float* c;        // first row, first column
  int64_t a_row, a_step, b_stride, c_stride;
  int64_t inner;
  int32_t rows;     // 1 to tile_rows
  int32_t columns;  // real columns, 1 to tile_columns; no others are read or written
  bool adds;        // c += the sum
};

struct SgemmKernels {
  int32_t tile_rows, tile_columns;
  void (*multiply)(const SgemmTile& tile);
};

extern const SgemmKernels kSgemmAvx2;
extern const SgemmKernels kSgemmAvx512;

}  // namespace pd
