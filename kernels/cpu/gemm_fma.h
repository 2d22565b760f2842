// The product in fp32: bf16 weights widened by a shift and a mask, fused multiply-add, activations unrounded.
// A step is an element of k: a line of weights has 32 columns, two vectors of sums. Included by one file per
// vector width.
#pragma once
#include "gemm_lines.h"

namespace {

inline int64_t fma_row_bytes(int64_t k, int32_t) { return k * 4; }

inline Steps fma_steps(int64_t k, int32_t segments, int32_t index) {
  const int64_t length = k / segments;
  return {index * length, index * length, length};
}

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

}  // namespace
