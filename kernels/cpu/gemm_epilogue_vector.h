// Epilogues on vectors of 16 or 8 floats; included by one file per width, everything here is local to it.
// SwiGLU is the row op's own function, so that it gives the row op's bits.
#pragma once
#include "gemm_epilogue.h"
#include "rows_vector.h"

namespace {

constexpr int64_t kRun = 16;  // gates, then ups

template <class V>
void add_to_rows(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns, float* y,
                 int64_t y_stride) {
  for (int64_t row = 0; row < rows; row++, sums += sums_stride, y += y_stride) {
    int64_t i = 0;
    for (; i + V::kWidth <= columns; i += V::kWidth)
      V::store(y + i, V::add(V::load(y + i), V::load(sums + i)));
    for (; i < columns; i++) y[i] += sums[i];
  }
}

template <class V>
void swiglu_rows(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns, float* y,
                 int64_t y_stride) {
  for (int64_t row = 0; row < rows; row++, sums += sums_stride, y += y_stride)
    for (int64_t run = 0; run < columns; run += kRun)
      for (int64_t i = 0; i < kRun; i += V::kWidth) {
        const float* gate = sums + 2 * run + i;
        V::store(y + run + i, swiglu_of<V>(V::load(gate), V::load(gate + kRun)));
      }
}

}  // namespace
