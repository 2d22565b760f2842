#include <immintrin.h>

#include "sample.h"

namespace pd::sample {
namespace {

struct Lanes {
  static constexpr int32_t kWidth = 8;
  using F = __m256;
  using I = __m256i;

  static F set(float x) { return _mm256_set1_ps(x); }
  static F load(const float* x) { return _mm256_loadu_ps(x); }
  static void store(float* to, F x) { _mm256_storeu_ps(to, x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // a in [0.5, 2] and exponents that leave a normal number, or one that is flushed.
  static F scale(F a, F exponent) {
    const I shifted = _mm256_slli_epi32(_mm256_cvtps_epi32(exponent), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shifted));
  }
  static uint32_t nans(F a) { return uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q))); }
  static uint32_t ge(F a, F b) { return uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ))); }
  static F zero_unless_ge(F a, F b, F value) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ), value); }

  static I iota(int32_t first) {
    return _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static I load_ids(const int32_t* ids) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ids)); }
  static void compress(uint32_t mask, F values, I ids, float* to, int32_t* ids_to) {
    alignas(32) float all[kWidth];
    alignas(32) int32_t all_ids[kWidth];
    _mm256_store_ps(all, values);
    _mm256_store_si256(reinterpret_cast<__m256i*>(all_ids), ids);
    for (; mask != 0; mask &= mask - 1) {
      const int32_t lane = __builtin_ctz(mask);
      *to++ = all[lane];
      *ids_to++ = all_ids[lane];
    }
  }

  static I set_wide(uint32_t x) { return _mm256_set1_epi64x(int64_t(x)); }
  static I mul_wide(I a, I b) { return _mm256_mul_epu32(a, b); }
  static I high_to_low(I a) { return _mm256_srli_epi64(a, 32); }
  static I xor2(I a, I b) { return _mm256_xor_si256(a, b); }
  static I xor3(I a, I b, I c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
  // Words in the even halves of two vectors, put back in order and scaled to at most x * 2^-32.
  static F unit_below(I even, I odd) {
    const I words = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(words, 1)), _mm256_set1_ps(0x1p-31f));
  }
  static float round_down(double x) {
    const float nearest = float(x);
    return double(nearest) <= x ? nearest : __builtin_nextafterf(nearest, -__builtin_inff());
  }
};

}  // namespace
}  // namespace pd::sample

#include "sample_kernels.h"

namespace pd::sample {
const Kernels kAvx2Kernels = {prepare, maxima, sum_exp, exps, gather, draw};
}
