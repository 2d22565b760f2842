#include "gemm_fma.h"

namespace {

struct Vector {
  using F = __m256;
  static constexpr int kBytes = 32;
  static constexpr int kParts = 2;
  static F zero() { return _mm256_setzero_ps(); }
  static F broadcast(const float* from) { return _mm256_broadcast_ss(from); }
  static F load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, F value) { _mm256_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static void widen(const uint8_t* from, F& low, F& high) {
    const __m256i lanes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    low = _mm256_castsi256_ps(_mm256_slli_epi32(lanes, 16));
    high = _mm256_castsi256_ps(_mm256_and_si256(lanes, _mm256_set1_epi32(int(0xffff0000))));
  }
};

// 16 registers hold 12 sums: whole units for few rows, half a unit at a time from 4 rows on.
void multiply(const GemmTile& t) {
  switch (t.rows) {
    case 1:
      return multiply_rows<Vector, 1, 3, 1, 2>(t);
    case 2:
      return multiply_rows<Vector, 2, 1, 1, 2>(t);
    case 3:
      return multiply_rows<Vector, 3, 1, 1, 2>(t);
    case 4:
      return multiply_rows<Vector, 4, 1, 1, 1>(t);
    case 5:
      return multiply_rows<Vector, 5, 1, 1, 1>(t);
    case 6:
      return multiply_rows<Vector, 6, 1, 1, 1>(t);
  }
}

}  // namespace

const pd::GemmKernels pd::kGemmAvx2 = {6, true, true, fma_row_bytes, pack_fma_rows, multiply};
