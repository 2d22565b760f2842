// Weights that are rounded to bf16: the bits of attention_weights_avx512.h. Included by *_avx2.cpp only,
// inside its anonymous namespace, after the lanes.

// 2^x for x <= 0, within 2^-13, since weights are rounded to bf16. -infinity and all below -126 give 0, and
// 2^0 is exactly 1.
inline Vec weight_of(Vec x) {
  constexpr int mode = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  const Vec clamped = larger(spread(-127.0f), x);
  const Vec n = {_mm256_round_ps(clamped.a, mode), _mm256_round_ps(clamped.b, mode)};
  const Vec f = sub(clamped, n);
  Vec p = spread(0.07706704200379724f);
  p = fma(p, f, spread(0.2276449911952388f));
  p = fma(p, f, spread(0.6951167864133931f));
  p = fma(p, f, spread(1.0f));
  return mul(p, power_of_two(n));
}

// To nearest even, in the low halves; a NaN stays one.
inline __m256i round_eight(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x), half = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(half, _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(_mm256_set1_epi32(0x7fff), odd));
  const __m256i quiet = _mm256_or_si256(half, _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), quiet, is_nan);
}

inline __m256i round_sixteen(Vec x) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(round_eight(x.a), round_eight(x.b)), 0xd8);
}

// Both in bf16, to nearest even, `low` before `high`; pairs as in memory.
inline Raw round_pairs(Vec low, Vec high) { return {round_sixteen(low), round_sixteen(high)}; }

inline void store_raw(void* p, Raw x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, x.b);
}
