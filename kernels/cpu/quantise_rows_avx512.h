// Rows of activations to int8 words of four, many rows at once: what pack_int8_rows of gemm_int8_vector.h
// makes, by the vector. Included by files with AVX-512 only; everything here is local to each.
#pragma once
#include "gemm_int8.h"
#include "quantise_int8.h"
#include "transpose_avx512.h"

namespace {

constexpr int64_t kBlockWords = 16;
constexpr int64_t kBlockElements = kBlockWords * 4;
constexpr int32_t kBlockRows = 16;

inline __mmask16 first_lanes(int64_t count) {
  return count >= 16 ? 0xffff : count <= 0 ? 0 : __mmask16((1u << count) - 1);
}

// The largest magnitude of a run, as bits.
inline uint32_t largest_bits(const float* x, int64_t count) {
  const __m512i sign = _mm512_set1_epi32(int(0x80000000));
  __m512i most[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) most[i] = _mm512_setzero_si512();
  int64_t k = 0;
  for (; k + kBlockElements <= count; k += kBlockElements) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      most[i] = _mm512_max_epu32(most[i], _mm512_andnot_si512(sign, _mm512_loadu_si512(x + k + i * 16)));
  }
  for (; k < count; k += 16) {
    const __m512i bits = _mm512_maskz_loadu_epi32(first_lanes(count - k), x + k);
    most[0] = _mm512_max_epu32(most[0], _mm512_andnot_si512(sign, bits));
  }
  return _mm512_reduce_max_epu32(
      _mm512_max_epu32(_mm512_max_epu32(most[0], most[1]), _mm512_max_epu32(most[2], most[3])));
}

// At most 64 elements of a run as bytes, zeros behind them. A run that is all zero, or not all finite, has an
// inverse of 0.
inline __m512i quantised(const float* x, int64_t count, float inverse, __m512i flip) {
  const __m512 scale = _mm512_set1_ps(inverse), shift = _mm512_set1_ps(kRoundingShift);
  __m128i bytes[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __mmask16 live = inverse == 0 ? 0 : first_lanes(count - i * 16);
    const __m512 value = _mm512_maskz_loadu_ps(live, x + i * 16);
    bytes[i] = _mm512_cvtepi32_epi8(_mm512_castps_si512(_mm512_add_ps(_mm512_mul_ps(value, scale), shift)));
  }
  __m512i all = _mm512_castsi128_si512(bytes[0]);
  all = _mm512_inserti32x4(all, bytes[1], 1);
  all = _mm512_inserti32x4(all, bytes[2], 2);
  return _mm512_xor_si512(_mm512_inserti32x4(all, bytes[3], 3), flip);
}

// x [rows, k] -> words [segment][run / 4][rows], then scales [segment][rows]; at most 16 rows.
template <uint8_t kFlip>
void pack_int8_words(const float* x, int64_t x_stride, int32_t rows, int64_t k_count, int32_t segments,
                     void* packed) {
  const int64_t length = k_count / segments, words = (length + 3) / 4;
  const __m512i flip = _mm512_set1_epi8(char(kFlip));
  const __mmask16 live = first_lanes(rows);
  auto* to = static_cast<uint32_t*>(packed);
  auto* scales = reinterpret_cast<float*>(to + rows * segments * words);
  float inverses[kBlockRows];
  for (int32_t s = 0; s < segments; s++, x += length) {
    for (int32_t row = 0; row < rows; row++) {
      const Int8Scale scale = int8_scale_of_bits(largest_bits(x + row * x_stride, length));
      scales[s * rows + row] = scale.scale;
      inverses[row] = scale.inverse;
    }
    for (int64_t word = 0; word < words; word += kBlockWords, to += kBlockWords * rows) {
      const int64_t k = word * 4, left = words - word;
      __m512i m[kBlockRows];
      if (rows == 1) {
        _mm512_mask_storeu_epi32(to, first_lanes(left), quantised(x + k, length - k, inverses[0], flip));
        continue;
      }
#pragma GCC unroll 16
      for (int32_t row = 0; row < kBlockRows; row++)
        m[row] = row < rows ? quantised(x + row * x_stride + k, length - k, inverses[row], flip) : flip;
      transpose(m);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kBlockWords; i++)
        if (i < left) _mm512_mask_storeu_epi32(to + i * rows, live, m[i]);
    }
    to -= (words + kBlockWords - 1) / kBlockWords * kBlockWords * rows - words * rows;
  }
}

}  // namespace
