// exp of float lanes, within 2 ulp; results under the smallest normal become zero, NaN stays NaN, and above
// 88.72 it is infinity. Both widths run the same chain of operations, so they agree bitwise.
//
// n = round(x log2 e), r = x - n ln 2 in two parts, e^r by its series to r^7 (the next term is under 0.1 ulp
// at |r| = ln 2 / 2), then times 2^n in two halves, since 2^128 alone is no float.
#pragma once
#include <immintrin.h>

namespace {
namespace vexp {

constexpr float kLog2E = 1.44269504088896341f;
constexpr float kLn2High = 0.693359375f;  // few bits, so that n times it is exact
constexpr float kLn2Low = -2.12194440e-4f;
constexpr float kLowest = -87.336544f;
constexpr float kHighest = 89.0f;
constexpr float kSeries[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};

#if defined(__AVX2__) && defined(__FMA__)
[[maybe_unused]] inline __m256 exp(__m256 x) {
  const __m256 live = _mm256_cmp_ps(x, _mm256_set1_ps(kLowest), _CMP_NLT_UQ);
  // A NaN comes out of min and max as their second operand.
  const __m256 t = _mm256_max_ps(_mm256_set1_ps(kLowest), _mm256_min_ps(_mm256_set1_ps(kHighest), x));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(t, _mm256_set1_ps(kLog2E)), 8);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2High), t);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2Low), r);
  __m256 p = _mm256_set1_ps(kSeries[0]);
  for (int i = 1; i < 8; i++) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kSeries[i]));
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  p = _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
  return _mm256_and_ps(p, live);
}
#endif

#if defined(__AVX512F__)
[[maybe_unused]] inline __m512 exp(__m512 x) {
  const __mmask16 live = _mm512_cmp_ps_mask(x, _mm512_set1_ps(kLowest), _CMP_NLT_UQ);
  const __m512 t = _mm512_max_ps(_mm512_set1_ps(kLowest), _mm512_min_ps(_mm512_set1_ps(kHighest), x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(t, _mm512_set1_ps(kLog2E)), 8);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLn2High), t);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLn2Low), r);
  __m512 p = _mm512_set1_ps(kSeries[0]);
  for (int i = 1; i < 8; i++) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kSeries[i]));
  const __m512i whole = _mm512_cvtps_epi32(n), half = _mm512_srai_epi32(whole, 1);
  const __m512i bias = _mm512_set1_epi32(127);
  const __m512i a = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
  const __m512i b = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(whole, half), bias), 23);
  p = _mm512_mul_ps(_mm512_mul_ps(p, _mm512_castsi512_ps(a)), _mm512_castsi512_ps(b));
  return _mm512_maskz_mov_ps(live, p);
}
#endif

}  // namespace vexp
}  // namespace
