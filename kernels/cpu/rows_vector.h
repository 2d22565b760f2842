// Row ops on vectors of 16 or 8 floats; included by one file per width, everything here is local to it.
#pragma once
#include <immintrin.h>

#include "rows.h"
#include "vector_exp.h"

namespace {

constexpr int64_t kLanes = 32;

// The sum of squares runs in 32 lanes, lane j over columns j, j + 32, ..., which are then halved pairwise.
template <class V>
void rms_norm(const float* x, const float* weight, float* y, int64_t columns, float epsilon) {
  constexpr int64_t kVectors = kLanes / V::kWidth;
  typename V::F sums[kVectors];
  for (int64_t v = 0; v < kVectors; v++) sums[v] = V::zero();
  int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes)
    for (int64_t v = 0; v < kVectors; v++) {
      const typename V::F value = V::load(x + i + v * V::kWidth);
      sums[v] = V::fma(value, value, sums[v]);
    }
  float lanes[kLanes];
  for (int64_t v = 0; v < kVectors; v++) V::store(lanes + v * V::kWidth, sums[v]);
  for (int64_t lane = 0; i + lane < columns; lane++)
    lanes[lane] = __builtin_fmaf(x[i + lane], x[i + lane], lanes[lane]);
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  const float scale = 1.0f / __builtin_sqrtf(lanes[0] / float(columns) + epsilon);
  const typename V::F scales = V::broadcast(scale);
  for (i = 0; i + V::kWidth <= columns; i += V::kWidth)
    V::store(y + i, V::multiply(V::multiply(V::load(x + i), scales), V::load(weight + i)));
  for (; i < columns; i++) y[i] = x[i] * scale * weight[i];
}

template <class V>
typename V::F swiglu_of(typename V::F gate, typename V::F up) {
  const typename V::F one = V::broadcast(1.0f);
  return V::multiply(V::divide(gate, V::add(one, vexp::exp(V::subtract(V::zero(), gate)))), up);
}

template <class V>
void swiglu(const float* gate, const float* up, float* y, int64_t columns) {
  int64_t i = 0;
  for (; i + V::kWidth <= columns; i += V::kWidth)
    V::store(y + i, swiglu_of<V>(V::load(gate + i), V::load(up + i)));
  if (i == columns) return;
  float gates[V::kWidth] = {}, ups[V::kWidth] = {}, results[V::kWidth];
  for (int64_t at = i; at < columns; at++) gates[at - i] = gate[at], ups[at - i] = up[at];
  V::store(results, swiglu_of<V>(V::load(gates), V::load(ups)));
  for (int64_t at = i; at < columns; at++) y[at] = results[at - i];
}

template <class V>
void add_partials(const float* const* partials, int32_t count, const float* bias, float* y, int64_t columns) {
  const float *p0 = partials[0], *p1 = partials[1], *p2 = partials[2], *p3 = partials[3];
  int64_t i = 0;
  for (; i + V::kWidth <= columns; i += V::kWidth) {
    typename V::F x = V::add(V::load(p0 + i), V::load(p1 + i));
    if (count == 4) x = V::add(x, V::add(V::load(p2 + i), V::load(p3 + i)));
    V::store(y + i, V::add(V::load(y + i), bias ? V::add(x, V::load(bias + i)) : x));
  }
  for (; i < columns; i++) {
    float x = p0[i] + p1[i];
    if (count == 4) x = x + (p2[i] + p3[i]);
    y[i] += bias ? x + bias[i] : x;
  }
}

}  // namespace
