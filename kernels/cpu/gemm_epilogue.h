// What a product does with a tile of finished sums (bias added) that is not simply stored. The sums lie in a
// buffer of the tile's own, still in the core's L1 or L2 cache.
#pragma once
#include <cstdint>

namespace pd {

struct GemmEpilogues {
  // y += sums; columns of both.
  void (*add)(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns, float* y,
              int64_t y_stride);
  // y = silu(gate) * up for `columns` of y, a multiple of 16: sums are 16 gates, 16 ups, and so on.
  void (*swiglu)(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns, float* y,
                 int64_t y_stride);
};

extern const GemmEpilogues kEpiloguesAvx2;
extern const GemmEpilogues kEpiloguesAvx512;

}  // namespace pd
