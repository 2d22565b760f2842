// Words between rows and lanes. Included by files with AVX-512 only; everything here is local to each.
#pragma once
#include <immintrin.h>

namespace {

// 16 rows of 16 lanes to 16 lanes of 16 rows.
inline void transpose(__m512i* m) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      m[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      m[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(m[i], m[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(m[i], m[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(m[i + 8], m[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(m[i + 8], m[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < 2; j++) {
      m[i + 4 * j] = _mm512_shuffle_i32x4(t[i + 4 * j], t[i + 8 + 4 * j], 0x88);
      m[i + 4 * j + 8] = _mm512_shuffle_i32x4(t[i + 4 * j], t[i + 8 + 4 * j], 0xdd);
    }
  }
}

}  // namespace
