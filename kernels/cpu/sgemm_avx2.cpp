#include "sgemm_tile.h"

namespace {

struct Vector {
  using F = __m256;
  using M = __m256i;
  static constexpr int kWidth = 8;
  static M mask(int lanes) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F zero() { return _mm256_setzero_ps(); }
  static F broadcast(const float* from) { return _mm256_broadcast_ss(from); }
  static F load(const float* from) { return _mm256_loadu_ps(from); }
  static F load(const float* from, M mask) { return _mm256_maskload_ps(from, mask); }
  static void store(float* to, M mask, F value) { _mm256_maskstore_ps(to, mask, value); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

const pd::SgemmKernels pd::kSgemmAvx2 = {6, 16, multiply_tile<Vector, 6>};
