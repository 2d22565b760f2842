#include "sgemm_tile.h"

namespace {

struct Vector {
  using F = __m512;
  using M = __mmask16;
  static constexpr int kWidth = 16;
  static M mask(int lanes) { return lanes >= 16 ? M(0xffff) : lanes <= 0 ? M(0) : M((1u << lanes) - 1); }
  static F zero() { return _mm512_setzero_ps(); }
  static F broadcast(const float* from) { return _mm512_set1_ps(*from); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static F load(const float* from, M mask) { return _mm512_maskz_loadu_ps(mask, from); }
  static void store(float* to, M mask, F value) { _mm512_mask_storeu_ps(to, mask, value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

const pd::SgemmKernels pd::kSgemmAvx512 = {12, 32, multiply_tile<Vector, 12>};
