#include <immintrin.h>

#include "sample.h"

namespace pd::sample {
namespace {

struct Lanes {
  static constexpr int32_t kWidth = 16;
  using F = __m512;
  using I = __m512i;

  static F set(float x) { return _mm512_set1_ps(x); }
  static F load(const float* x) { return _mm512_loadu_ps(x); }
  static void store(float* to, F x) { _mm512_storeu_ps(to, x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F scale(F a, F exponent) { return _mm512_scalef_ps(a, exponent); }
  static uint32_t nans(F a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  static uint32_t ge(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
  static F zero_unless_ge(F a, F b, F value) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), value);
  }

  static I iota(int32_t first) {
    return _mm512_add_epi32(_mm512_set1_epi32(first),
                            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  }
  static I load_ids(const int32_t* ids) { return _mm512_loadu_si512(ids); }
  static void compress(uint32_t mask, F values, I ids, float* to, int32_t* ids_to) {
    const __mmask16 taken = __mmask16((1u << __builtin_popcount(mask)) - 1);
    _mm512_mask_storeu_ps(to, taken, _mm512_maskz_compress_ps(__mmask16(mask), values));
    _mm512_mask_storeu_epi32(ids_to, taken, _mm512_maskz_compress_epi32(__mmask16(mask), ids));
  }

  static I set_wide(uint32_t x) { return _mm512_set1_epi64(int64_t(x)); }
  static I mul_wide(I a, I b) { return _mm512_mul_epu32(a, b); }
  static I high_to_low(I a) { return _mm512_srli_epi64(a, 32); }
  static I xor2(I a, I b) { return _mm512_xor_si512(a, b); }
  static I xor3(I a, I b, I c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  // Words in the even halves of two vectors, put back in order and scaled to at most x * 2^-32.
  static F unit_below(I even, I odd) {
    const I words = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(words, 1)), _mm512_set1_ps(0x1p-31f));
  }
  static float round_down(double x) {
    return _mm_cvtss_f32(
        _mm_cvt_roundsd_ss(_mm_setzero_ps(), _mm_set_sd(x), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
  }
};

}  // namespace
}  // namespace pd::sample

#include "sample_kernels.h"

namespace pd::sample {
const Kernels kAvx512Kernels = {prepare, maxima, sum_exp, exps, gather, draw};
}
